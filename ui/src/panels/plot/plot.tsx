/** uPlot behind a component: built once for a structure, then given data. The cursor, zoom and keys are the same in all kinds. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { useTheme } from '../../state/theme.ts';
import type { HoverStore } from './hover.ts';
import { paintOf, type Paint } from './paint.ts';
import './plot.css';

/** Where the plotting area lies, in CSS pixels of the component, and what the x axis spans. */
export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
  min: number;
  max: number;
}

export type PlotOptions = Omit<uPlot.Options, 'width' | 'height'>;

export interface PlotProps {
  /** What it says to those who do not see it. */
  label: string;
  /** The plot is built anew when this changes: all that `options` decides once. */
  structure: string;
  options: (paint: Paint) => PlotOptions;
  data: uPlot.AlignedData;
  hover: HoverStore;
  /** Data or ranges are drawn anew when one of these changes. */
  redraw?: readonly unknown[];
  sync?: string | undefined;
  /** Whether the readout appears here when the cursor is on another plot. */
  syncReadout?: boolean | undefined;
  /** What dragging over x selects, in units of x. */
  onSelect?: ((from: number, to: number) => void) | undefined;
  onDoubleClick?: (() => void) | undefined;
  /** More of the crosshair. */
  crosshair?: 'x' | 'xy' | 'none';
  children?: (frame: Frame) => ComponentChildren;
}

const LEAST_DRAG_PX = 5;

export function Plot(props: PlotProps): JSX.Element {
  const { structure, data, hover, sync } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const keyboard = useRef(false);
  const { dark } = useTheme();
  const [frame, setFrame] = useState<Frame | undefined>(undefined);

  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const paint = paintOf(dark, `11px ${style.fontFamily}`);
    const given = latest.current.options(paint);
    const crosshair = latest.current.crosshair ?? 'x';
    const upright = given.scales?.['x']?.ori === 1;

    const moved = (u: uPlot): void => {
      const { idx, left = -1, top = -1 } = u.cursor;
      const own = keyboard.current || u.over.matches(':hover');
      if (idx === null || idx === undefined || left < 0 || (!own && !latest.current.syncReadout)) return hover.set(undefined);
      const box = u.over.getBoundingClientRect();
      // A readout of a plot that is out of sight would hide another one.
      if (!own && (box.top + box.height / 2 < 0 || box.top + box.height / 2 > window.innerHeight)) return hover.set(undefined);
      hover.set({ plot: u, row: idx, rows: u.cursor.idxs ?? [], left, top, pageLeft: box.left + left, pageTop: box.top + (own ? top : box.height / 2), own });
    };
    const measured = (u: uPlot): void => {
      const ratio = u.ctx.canvas.width / u.width || 1;
      const { left, top, width, height } = u.bbox;
      const next = { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio, min: u.scales['x']?.min ?? 0, max: u.scales['x']?.max ?? 1 };
      // Not while drawing: uPlot draws within layout effects.
      queueMicrotask(() => {
        if (plot.current !== u) return;
        setFrame((last) => (last && (Object.keys(next) as (keyof Frame)[]).every((key) => last[key] === next[key]) ? last : next));
      });
    };
    const selected = (u: uPlot): void => {
      const { left, top, width, height } = u.select;
      const [start, size] = upright ? [top, height] : [left, width];
      if (size < LEAST_DRAG_PX) return;
      const [a, b] = [u.posToVal(start, 'x'), u.posToVal(start + size, 'x')];
      u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      hover.set(undefined);
      latest.current.onSelect?.(Math.min(a, b), Math.max(a, b));
    };
    const options: uPlot.Options = {
      ...given,
      width: Math.max(40, element.clientWidth),
      height: Math.max(40, element.clientHeight),
      legend: { show: false },
      cursor: {
        x: crosshair !== 'none',
        y: crosshair === 'xy',
        hover: { prox: 30 },
        ...given.cursor,
        drag: { x: !upright && latest.current.onSelect !== undefined, y: upright && latest.current.onSelect !== undefined, setScale: false, dist: LEAST_DRAG_PX },
        bind: {
          dblclick: () => () => {
            latest.current.onDoubleClick?.();
            return null;
          },
        },
        ...(sync === undefined ? {} : { sync: { key: sync, setSeries: false, scales: ['x', null], filters: { pub: (type: string) => type === 'mousemove' || type === 'mouseleave' } } }),
      },
      hooks: {
        ...given.hooks,
        setCursor: [...(given.hooks?.setCursor ?? []), moved],
        setSelect: [...(given.hooks?.setSelect ?? []), selected],
        draw: [...(given.hooks?.draw ?? []), measured],
      },
    };
    const created = new uPlot(options, latest.current.data, element);
    plot.current = created;
    const pin = (): void => hover.pin(!hover.pinned);
    created.over.addEventListener('click', pin);
    const observer = new ResizeObserver(() => {
      const [width, height] = [element.clientWidth, element.clientHeight];
      if (width >= 40 && height >= 40 && (width !== created.width || height !== created.height)) created.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.over.removeEventListener('click', pin);
      created.destroy();
      plot.current = undefined;
      element.replaceChildren();
      hover.pin(false);
      hover.set(undefined);
    };
  }, [structure, dark, sync, hover]);

  const drawn = useRef(data);
  useEffect(() => {
    if (!plot.current) return;
    drawn.current = data;
    plot.current.setData(data);
  }, [data, ...(props.redraw ?? [])]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const u = plot.current;
    if (!u || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = u.data[0].length;
    const present = hover.hover?.row;
    let row: number;
    if (event.key === 'Escape' && (hover.pinned || hover.hover)) {
      keyboard.current = false;
      hover.pin(false);
      u.setCursor({ left: -10, top: -10 });
      event.stopPropagation();
      return;
    } else if (event.key === 'Enter' && hover.hover) {
      hover.pin(!hover.pinned);
      return;
    } else if (event.key === 'ArrowRight') row = present === undefined ? 0 : present + 1;
    else if (event.key === 'ArrowLeft') row = present === undefined ? rows - 1 : present - 1;
    else if (event.key === 'Home') row = 0;
    else if (event.key === 'End') row = rows - 1;
    else return;
    row = Math.max(0, Math.min(rows - 1, row));
    const at = u.data[0][row];
    if (at === undefined) return;
    event.preventDefault();
    keyboard.current = true;
    const box = u.over.getBoundingClientRect();
    const place = u.valToPos(at, 'x');
    u.setCursor(u.scales['x']?.ori === 1 ? { left: box.width / 2, top: place } : { left: place, top: box.height / 3 });
  };
  const leave = (): void => {
    if (!keyboard.current) return;
    keyboard.current = false;
    plot.current?.setCursor({ left: -10, top: -10 });
  };

  return (
    <div class="plot">
      <div class="plot-canvas" ref={host} role="img" aria-label={props.label} tabIndex={0} onKeyDown={onKeyDown} onBlur={leave} onPointerMove={() => (keyboard.current = false)} />
      {frame && props.children?.(frame)}
    </div>
  );
}
