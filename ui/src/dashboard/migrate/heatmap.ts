/** The old heatmap, whose options stood on the panel itself. */
import { booleanOf, compact, numberOf, recordOf, textOf, type Json } from '../json.ts';
import type { Panel } from '../model.ts';

const OLD = ['cards', 'color', 'dataFormat', 'heatmap', 'hideZeroBuckets', 'highlightCards', 'legend', 'reverseYBuckets', 'tooltip', 'tooltipDecimals', 'xAxis', 'xBucketNumber', 'xBucketSize', 'yAxis', 'yBucketBound', 'yBucketNumber', 'yBucketSize'];

function bucket(size: unknown, count: unknown): Json | undefined {
  const bySize = textOf(size);
  if (bySize !== undefined && bySize !== 'null') return { mode: 'size', value: bySize };
  const byCount = textOf(count);
  return byCount === undefined ? undefined : { mode: 'count', value: byCount };
}

export function migrateOldHeatmap(panel: Panel): Panel {
  const old = panel as Json;
  const calculate = old['dataFormat'] !== 'tsbuckets';
  const axis = recordOf(old['yAxis']);
  const color = recordOf(old['color']);
  const cards = recordOf(old['cards']);
  const log = numberOf(axis['logBase']) ?? 1;
  const yBuckets = bucket(old['yBucketSize'], old['yBucketNumber']);
  const scale = log > 1 ? { scale: { type: 'log', log } } : {};
  const bound = textOf(old['yBucketBound']) ?? 'auto';
  const unit = textOf(axis['format']);
  const options: Json = {
    calculate,
    ...(calculate ? { calculation: compact({ xBuckets: bucket(old['xBucketSize'], old['xBucketNumber']), yBuckets: yBuckets || log > 1 ? { ...yBuckets, ...scale } : undefined }) } : {}),
    color: compact({
      mode: color['mode'] === 'opacity' ? 'opacity' : 'scheme',
      scheme: (textOf(color['colorScheme']) ?? 'Oranges').replace(/^interpolate/, ''),
      fill: textOf(color['cardColor']) ?? 'dark-orange',
      scale: color['colorScale'] === 'linear' ? 'linear' : 'exponential',
      exponent: numberOf(color['exponent']) ?? 0.5,
      steps: 128,
      reverse: false,
      min: numberOf(color['min']),
      max: numberOf(color['max']),
    }),
    cellGap: numberOf(cards['cardPadding']) ?? 2,
    cellRadius: numberOf(cards['cardRound']) ?? 0,
    showValue: 'never',
    filterValues: { le: booleanOf(old['hideZeroBuckets']) ? 1e-9 : -Infinity },
    yAxis: compact({ axisPlacement: booleanOf(axis['show']) === false ? 'hidden' : 'left', reverse: booleanOf(old['reverseYBuckets']) ?? false, unit, decimals: numberOf(axis['decimals']), min: numberOf(axis['min']), max: numberOf(axis['max']) }),
    rowsFrame: { layout: bound === 'upper' ? 'le' : bound === 'lower' ? 'ge' : bound === 'middle' ? 'unknown' : 'auto' },
    legend: { show: booleanOf(recordOf(old['legend'])['show']) ?? false },
    tooltip: { mode: booleanOf(recordOf(old['tooltip'])['show']) === false ? 'none' : 'single', yHistogram: booleanOf(recordOf(old['tooltip'])['showHistogram']) ?? false },
    exemplars: { color: 'rgba(255,0,255,0.7)' },
  };
  if (!booleanOf(old['hideZeroBuckets'])) delete options['filterValues'];
  const kept = Object.fromEntries(Object.entries(old).filter(([name]) => !OLD.includes(name))) as Panel;
  return { ...kept, type: 'heatmap', options, fieldConfig: panel.fieldConfig };
}
