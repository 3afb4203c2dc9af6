/** Hints about expressions. */

export const selectsEverything = 'This selects every series there is. A metric name or a label makes it cheap.';
export const isCounter = (name: string): string => `${name} is a counter: its value only ever rises. How fast is what tells.`;
export const takeRate = 'Use rate';
export const isNoPattern = (matcher: string): string => `${matcher} is no pattern: a plain comparison is faster.`;
export const takeOther = (plain: string): string => `Use ${plain}`;
export const isGauge = (metric: string, name: string): string => `${metric} is a gauge, which also falls: ${name} takes every fall for a restart.`;
export const rateOfSum = (name: string, firstChild: string): string => `${name} of a sum cannot see a single counter start anew. Take the ${name} first, then the ${firstChild}.`;
export const needsLe = 'histogram_quantile needs the label le, which this aggregation removes.';
export const keepLe = 'Keep le';
