/** Exemplars: single requests on a plot, each a diamond at its time and value. */
import type uPlot from 'uplot';
import type { Paint } from '../plot/paint.ts';
import type { Exemplar } from './series.ts';

const HALF_PX = 4;
const REACH_PX = 9;

export function drawExemplars(u: uPlot, exemplars: readonly Exemplar[], scale: string, paint: Paint): void {
  if (exemplars.length === 0) return;
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const half = HALF_PX * (ctx.canvas.width / u.width || 1);
  ctx.save();
  ctx.fillStyle = paint.css('var(--surface)');
  ctx.strokeStyle = paint.css('var(--accent)');
  ctx.lineWidth = half / 3;
  for (const { time, value } of exemplars) {
    const x = u.valToPos(time, 'x', true);
    // Those beyond the axis wait at its edge, so that they are found.
    const y = Math.max(top + half, Math.min(top + height - half, u.valToPos(value, scale, true)));
    if (x < left || x > left + width) continue;
    ctx.beginPath();
    ctx.moveTo(x, y - half);
    ctx.lineTo(x + half, y);
    ctx.lineTo(x, y + half);
    ctx.lineTo(x - half, y);
    ctx.closePath();
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

/** The exemplar under the cursor, which is at `left` and `top` in CSS pixels of the plotting area. */
export function exemplarAt(u: uPlot, exemplars: readonly Exemplar[], scale: string, left: number, top: number): Exemplar | undefined {
  let nearest: Exemplar | undefined;
  let least = REACH_PX;
  const height = u.over.clientHeight;
  for (const exemplar of exemplars) {
    const x = u.valToPos(exemplar.time, 'x');
    if (Math.abs(x - left) > REACH_PX) continue;
    const y = Math.max(HALF_PX, Math.min(height - HALF_PX, u.valToPos(exemplar.value, scale)));
    const distance = Math.hypot(x - left, y - top);
    if (distance >= least) continue;
    least = distance;
    nearest = exemplar;
  }
  return nearest;
}
