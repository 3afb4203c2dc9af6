/** One panel with its frame: title, marks, menu, what it draws, and every state that it can be in. */
import { Component, type ComponentChildren, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { interpolate } from '../../dashboard/interpolate.ts';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import type { Panel } from '../../dashboard/model.ts';
import * as english from '../../english/dashboard.ts';
import type { PanelProps } from '../../panels/panel.ts';
import { withDefaults } from '../../panels/values/options.ts';
import { Mark } from '../../parts/parts.tsx';
import { useTheme } from '../../state/theme.ts';
import { titleOf, useBoard, type Board } from './board.ts';
import { headLinks, readyLinks } from './links.ts';
import { useAnnotations, usePanelData, usePanelKind, type KindState, type PanelData } from './panel-data.ts';
import { PanelMenu } from './panel-menu.tsx';
import { viewPatch } from './view-links.ts';

/** The size of an element's inside, in whole CSS pixels. */
function useSize(element: { current: HTMLElement | null }): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const node = element.current;
    if (!node) return;
    const measure = (): void => {
      const width = Math.floor(node.clientWidth);
      const height = Math.floor(node.clientHeight);
      setSize((last) => (last.width === width && last.height === height ? last : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  return size;
}

interface Props {
  placed: PlacedPanel;
  /** Whether it is seen, or is about to be. */
  near?: boolean;
  /** Made ready although it is not near the window. */
  awake?: boolean;
  /** Drawn alone, as large as there is room. */
  alone?: boolean;
  /** Told what is drawn: the editor offers names out of it. */
  onData?: (data: PanelData) => void;
  /** What is put over the frame while the dashboard is edited: handles to move and to resize. */
  children?: ComponentChildren;
}

/** What a panel is called where it has no title. */
export const panelLabel = ({ panel }: PlacedPanel, title: string): string => title || english.panelLabel(panel.id, panel.type);

export function PanelFrame({ placed, near = true, awake = false, alone = false, onData, children }: Props): JSX.Element {
  const board = useBoard();
  const body = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(body);
  const { panel, key } = placed;
  const scope = useMemo(() => ({ ...board.scope, ...placed.scope }), [board.scope, placed.scope]);
  const kind = usePanelKind(panel.type);
  const wasAsked = useRef(false);
  // What was made ready in the background is asked once, and again only when it comes near.
  const active = near || (awake && !wasAsked.current);
  if (active && board.variables.ready && width > 0 && kind.state !== 'loading') wasAsked.current = true;
  const data = usePanelData(board, { panel, key, scope, kind, width, active, priority: near ? 0 : 1 });
  if (width > 0) board.widths.set(key, width);
  useEffect(() => onData?.(data), [data.answer, data.transformed]);
  // Frames that could not be drawn: new ones are a new chance.
  const [broken, setBroken] = useState<unknown>(undefined);

  const title = titleOf(placed, board.scope);
  const headless = title === '' && !panel.description && !panel.links?.length;
  return (
    <section
      class={`board-panel${panel.transparent ? ' board-panel-clear' : ''}${headless ? ' board-panel-headless' : ''}${alone ? ' board-panel-alone' : ''}`}
      aria-label={panelLabel(placed, title)}
      aria-busy={data.busy || data.state === 'loading'}
      tabIndex={0}
      data-panel-id={panel.id}
      data-panel-key={key}
      data-panel-type={panel.type}
      data-state={broken !== undefined && broken === data.frames ? 'error' : data.state}
    >
      {data.busy && <i class="board-loading" aria-hidden="true" />}
      <header class="board-head">
        <h3 title={title}>{title}</h3>
        <Marks placed={placed} board={board} data={data} scope={scope} />
        <span class="board-head-space" />
        {data.answer?.timeInfo && <span class="muted board-time-info">{data.answer.timeInfo}</span>}
        {!board.still && <PanelMenu placed={placed} asked={data.answer?.asked ?? []} alone={alone} />}
      </header>
      <div class="board-body" ref={body}>
        {width > 0 && <Body panel={panel} kind={kind} data={data} scope={scope} width={width} height={height} onBroken={setBroken} />}
      </div>
      {children}
    </section>
  );
}

function Marks({ placed, board, data, scope }: { placed: PlacedPanel; board: Board; data: PanelData; scope: Board['scope'] }): JSX.Element {
  const { panel } = placed;
  const alert = board.alerts.get(panel.id);
  const description = panel.description ? interpolate(panel.description, scope, 'text') : '';
  const links = headLinks(panel.links, scope, viewPatch(board), board.variables.patch());
  const worst = data.notices.some(({ severity }) => severity === 'error') ? 'critical' : data.notices.some(({ severity }) => severity === 'warning') ? 'warning' : 'info';
  const said = [...new Set(data.notices.map(({ text, refId }) => (refId ? `${refId}: ${text}` : text)))];
  return (
    <>
      {alert && alert !== 'inactive' && (
        <span class={`board-mark tone-${alert === 'firing' ? 'critical' : 'warning'}`} title={english.alertHint(alert)} role="img" aria-label={english.alertLabel(alert)}>
          <Mark tone={alert === 'firing' ? 'critical' : 'warning'} />
        </span>
      )}
      {description !== '' && <Note tone="quiet" label={english.description} lines={description.split('\n')} />}
      {links.length > 0 && (
        <span class="board-links">
          {links.map((link) => (
            <a key={`${link.title} ${link.href}`} href={link.href} title={link.title} {...(link.newTab ? { target: '_blank', rel: 'noopener' } : {})}>
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d="M9 2h5v5h-1.6V4.8L7.6 9.5 6.5 8.4l4.7-4.8H9zM3 4h3v1.5H3.5v7h7V10H12v4H2V4z" />
              </svg>
              <span class="hidden">{link.title}</span>
            </a>
          ))}
        </span>
      )}
      {said.length > 0 && <Note tone={worst} label={worst === 'critical' ? english.errors : worst === 'warning' ? english.warnings : english.notes} lines={said} />}
    </>
  );
}

/** A mark whose text is shown by pointing, by focus, and read to who listens. */
function Note({ tone, label, lines }: { tone: 'quiet' | 'info' | 'warning' | 'critical'; label: string; lines: readonly string[] }): JSX.Element {
  return (
    <span class="board-note" tabIndex={0} role="note" aria-label={`${label}: ${lines.join(' ')}`}>
      <Mark tone={tone === 'quiet' ? 'info' : tone} />
      <span class="board-note-box" aria-hidden="true">
        {lines.slice(0, 12).map((line, index) => (
          <span key={index}>{line}</span>
        ))}
      </span>
    </span>
  );
}

interface BodyProps {
  panel: Panel;
  kind: KindState;
  data: PanelData;
  scope: Board['scope'];
  width: number;
  height: number;
  /** Told which frames could not be drawn. */
  onBroken: (frames: unknown) => void;
}

function Body({ panel, kind, data, scope, width, height, onBroken }: BodyProps): JSX.Element | null {
  const board = useBoard();
  const [own, setOwn] = useState<Record<string, unknown> | undefined>(undefined);
  useEffect(() => setOwn(undefined), [panel.options]);
  const annotations = useAnnotations(board, panel.id);
  const ready = kind.state === 'ready' ? kind.kind : undefined;
  const options = useMemo(() => (ready ? withDefaults(ready.options, { ...panel.options, ...own }) : panel.options), [ready, panel.options, own]);
  const withOptions = useMemo(() => ({ ...panel, options }), [panel, options]);
  const interpolateHere = useMemo<PanelProps['interpolate']>(() => (text, more, format) => interpolate(text, more ? { ...scope, ...more } : scope, format), [scope]);
  const linksHere = useMemo<PanelProps['links']>(() => (links, more) => readyLinks(links, { ...linkScope(board), ...scope, ...more }), [scope, board.rangeKey]);
  const adhoc = board.variables.states.find(({ variable }) => variable.type === 'adhoc');
  const onFilter = useMemo<PanelProps['onFilter']>(
    () =>
      adhoc &&
      ((key, value, operator) => {
        const before = board.variables.states.find(({ variable }) => variable.name === adhoc.variable.name)?.filters ?? [];
        board.variables.filter(adhoc.variable.name, [...before.filter((filter) => filter.key !== key || filter.operator !== operator), { key, operator, value }]);
      }),
    [adhoc?.variable.name, board.variables],
  );
  const { dark } = useTheme();
  const span = data.answer?.span ?? board.span;
  const sync = board.dashboard.graphTooltip > 0 ? board.dashboard.uid || 'new' : undefined;
  // The same drawing is not drawn again when only something else of the dashboard changed.
  const drawing = useMemo(
    () =>
      ready && (
        <ready.Component
          panel={withOptions}
          frames={data.frames}
          annotations={annotations}
          span={span}
          width={width}
          height={height}
          timeZone={board.timeZone}
          sync={sync}
          syncReadout={board.dashboard.graphTooltip === 2}
          interpolate={interpolateHere}
          links={linksHere}
          onZoom={board.onZoom}
          onFilter={onFilter}
          onOptions={setOwn}
        />
      ),
    [ready, withOptions, data.frames, annotations, span.from, span.to, width, height, board.timeZone, sync, interpolateHere, linksHere, board.onZoom, onFilter, dark],
  );
  if (kind.state === 'unknown' && panel.libraryPanel) {
    return <Plain title={english.noLibraryPanel(panel.libraryPanel.name ?? panel.libraryPanel.uid)}>{english.noLibraryPanelHint(panel.libraryPanel.uid)}</Plain>;
  }
  if (kind.state === 'unknown') return <Plain title={english.noSuchKind(panel.type)}>{english.noSuchKindHint}</Plain>;
  if (data.state === 'error' && data.error !== undefined) {
    return (
      <div class="board-error" role="alert">
        <Mark tone="critical" />
        <pre>{data.error}</pre>
      </div>
    );
  }
  if (data.state === 'loading' || !ready) return <div class="skeleton" />;
  return <Boundary retry={data.frames} onBroken={onBroken}>{drawing}</Boundary>;
}

/** Names that only links know. */
function linkScope(board: Board): Board['scope'] {
  const time = viewPatch(board);
  return {
    __url_time_range: new URLSearchParams(time as Record<string, string>).toString(),
  };
}

const Plain = ({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element => (
  <div class="empty empty-compact">
    <p class="empty-title">{title}</p>
    {children && <p class="muted">{children}</p>}
  </div>
);

/** A panel that fails to draw says so and leaves the others alone; new data is a new chance. */
class Boundary extends Component<{ retry: unknown; onBroken: (frames: unknown) => void; children: ComponentChildren }, { error?: Error; failedFor?: unknown }> {
  override componentDidCatch(error: Error): void {
    this.setState({ error, failedFor: this.props.retry });
    this.props.onBroken(this.props.retry);
  }
  override render(): ComponentChildren {
    const { error, failedFor } = this.state;
    if (!error || failedFor !== this.props.retry) return this.props.children;
    return (
      <div class="board-error" role="alert" data-panel-broken="">
        <Mark tone="critical" />
        <pre>{english.thisPanelCouldNotBeDrawn(error.message)}</pre>
      </div>
    );
  }
}
