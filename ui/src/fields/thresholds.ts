/** Which threshold a value has reached. */
import type { Thresholds } from '../dashboard/model.ts';

/** The last threshold that is not above the value; `percent` (0 to 1) counts where thresholds are percentages. */
export function activeThreshold(thresholds: Thresholds | undefined, value: number, percent: number): Thresholds['steps'][number] | undefined {
  const steps = Array.isArray(thresholds?.steps) ? thresholds.steps : [];
  const reached = thresholds?.mode === 'percentage' ? percent * 100 : value;
  let active = steps[0];
  for (const step of steps) {
    if (!(reached >= (step.value ?? -Infinity))) break;
    active = step;
  }
  return active;
}
