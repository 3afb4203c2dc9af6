/** Annotations on a plot over time: lines and regions on the canvas, marks below it that can be reached. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import type { Annotation } from '../panel.ts';
import { cssColor } from '../../fields/color.ts';
import type { Paint } from './paint.ts';
import type { Frame } from './plot.tsx';
import { exactTime } from './zone.ts';

/** More of them would be a wall. The newest stay. */
const MOST_ANNOTATIONS = 500;

export const drawable = (annotations: readonly Annotation[]): readonly Annotation[] => annotations.slice(-MOST_ANNOTATIONS);

/** Dashed lines, and a wash over regions. For the hook `draw`. */
export function drawAnnotations(u: uPlot, annotations: readonly Annotation[], paint: Paint): void {
  if (annotations.length === 0) return;
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const ratio = ctx.canvas.width / u.width || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  const washed: { from: number; to: number; css: string }[] = [];
  for (const { time, timeEnd, color } of drawable(annotations)) {
    const css = cssColor(color);
    const at = Math.round(u.valToPos(time, 'x', true)) + 0.5;
    const end = timeEnd !== undefined && timeEnd > time ? Math.round(u.valToPos(timeEnd, 'x', true)) + 0.5 : undefined;
    ctx.strokeStyle = paint.css(css, 0.9);
    ctx.beginPath();
    for (const place of end === undefined ? [at] : [at, end]) {
      ctx.moveTo(place, top);
      ctx.lineTo(place, top + height);
    }
    ctx.stroke();
    if (end !== undefined) {
      washed.push({ from: at, to: end, css });
    }
  }
  // Where regions of a colour lie over each other, the wash is no darker: the lines must stay readable.
  for (const css of new Set(washed.map((each) => each.css))) {
    const path = new Path2D();
    for (const { from, to } of joined(washed.filter((each) => each.css === css))) path.rect(from, top, to - from, height);
    ctx.fillStyle = paint.css(css, 0.1);
    ctx.fill(path);
  }
  ctx.restore();
}

/** Stretches that touch or overlap as one. */
export function joined(stretches: readonly { from: number; to: number }[]): { from: number; to: number }[] {
  const all: { from: number; to: number }[] = [];
  for (const { from, to } of [...stretches].sort((a, b) => a.from - b.from)) {
    const last = all[all.length - 1];
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else all.push({ from, to });
  }
  return all;
}

export function AnnotationMarks({ annotations, frame, timeZone }: { annotations: readonly Annotation[]; frame: Frame; timeZone: string }): JSX.Element {
  const [open, setOpen] = useState<number | undefined>(undefined);
  const scale = frame.width / (frame.max - frame.min || 1);
  const place = (time: number): number => frame.left + (Math.max(frame.min, Math.min(frame.max, time)) - frame.min) * scale;
  return (
    <>
      {drawable(annotations).map((annotation, index) => {
        const { time, timeEnd, color, title, text, tags, source } = annotation;
        const region = timeEnd !== undefined && timeEnd > time;
        if ((region ? timeEnd : time) < frame.min || time > frame.max) return null;
        const left = place(time);
        const width = region ? Math.max(6, place(timeEnd) - left) : 0;
        const what = title || text || source;
        const when = region ? `${exactTime(time, timeZone)} – ${exactTime(timeEnd, timeZone)}` : exactTime(time, timeZone);
        return (
          <div key={index}>
            <button
              type="button"
              class={region ? 'plot-mark plot-mark-region' : 'plot-mark'}
              style={{ left: `${left}px`, top: `${frame.top + frame.height}px`, color: cssColor(color), ...(region ? { width: `${width}px` } : {}) }}
              aria-label={english.annotationLabel(what, when)}
              aria-expanded={open === index}
              onPointerEnter={() => setOpen(index)}
              onPointerLeave={() => setOpen(undefined)}
              onFocus={() => setOpen(index)}
              onBlur={() => setOpen(undefined)}
            />
            {open === index && (
              <div class="plot-mark-text" style={{ ...(left < frame.left + frame.width / 2 ? { left: `${left}px` } : { right: `calc(100% - ${left}px)` }), bottom: `calc(100% - ${frame.top + frame.height - 4}px)` }}>
                <div class="muted">{when}</div>
                {title && <b>{title}</b>}
                {text && <div>{text}</div>}
                <div class="muted">{[source, ...(tags ?? [])].join(' · ')}</div>
              </div>
            )}
          </div>
        );
      })}
    </>
  );
}
