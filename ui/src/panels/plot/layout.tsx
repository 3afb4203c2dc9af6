/** A plot with its legend and notes, and what stands there when there is nothing to plot. */
import type { ComponentChildren, JSX } from 'preact';
import { Empty } from '../../parts/parts.tsx';
import { Legend, legendShown, type LegendItem, type LegendOptions } from './legend.tsx';
import { NO_DATA, type Missing } from './missing.ts';

interface PlotLayoutProps {
  width: number;
  height: number;
  legend: LegendOptions;
  items: readonly LegendItem[];
  hidden: ReadonlySet<string>;
  onHide: (hidden: ReadonlySet<string>) => void;
  onOptions?: ((options: Record<string, unknown>) => void) | undefined;
  /** Said below the plot, such as that not all series are drawn. */
  note?: string | undefined;
  /** In place of the legend of names, such as a scale of colours. */
  scale?: ComponentChildren;
  children: ComponentChildren;
}

/** Below this the plot needs all the room. */
const LEGEND_FROM = { width: 160, height: 110 };
const RIGHT_FROM_WIDTH = 340;

export function PlotLayout({ width, height, legend, items, hidden, onHide, onOptions, note, scale, children }: PlotLayoutProps): JSX.Element {
  const roomy = width >= LEGEND_FROM.width && height >= LEGEND_FROM.height;
  const shown = roomy && legendShown(legend) && (items.length > 0 || scale !== undefined);
  const right = legend.placement === 'right' && width >= RIGHT_FROM_WIDTH;
  const size = right ? (legend.width ? { width: `${Math.min(legend.width, width * 0.7)}px` } : { maxWidth: `${Math.round(width * (legend.displayMode === 'table' ? 0.6 : 0.4))}px` }) : { maxHeight: `${Math.round(height * 0.38)}px` };
  return (
    <div class={right ? 'plot-layout plot-layout-right' : 'plot-layout'} style={{ width: `${width}px`, height: `${height}px` }}>
      <div class="plot-main">
        {children}
        {note !== undefined && <p class="plot-note muted">{note}</p>}
      </div>
      {shown && (
        <div class="plot-side" style={size}>
          {scale ?? <Legend items={items} options={legend} hidden={hidden} onHide={onHide} onOptions={onOptions} />}
        </div>
      )}
    </div>
  );
}

/** `noValue` is what the dashboard says where there is no data. */
export function MissingData({ missing, noValue }: { missing: Missing; noValue?: string | undefined }): JSX.Element {
  if (noValue && missing === NO_DATA) return <Empty title={noValue} compact />;
  return (
    <Empty title={missing.title} compact>
      {missing.hint}
    </Empty>
  );
}
