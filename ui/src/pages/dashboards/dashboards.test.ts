import { expect, test } from 'vitest';
import type { DataSource, Hit } from '../../api/dashboards.ts';
import { answered, fitting, preset, readCandidate } from './import.ts';
import { filterHits, tagsOf } from './list.ts';

test('what is pasted is a dashboard, wrapped or not, or says why not', () => {
  expect(readCandidate('{"title": "A", "panels": [], "uid": "u"}')).toMatchObject({ title: 'A', uid: 'u', inputs: [] });
  expect(readCandidate('{"dashboard": {"title": "B", "rows": []}, "meta": {}}').title).toBe('B');
  expect(readCandidate('{"apiVersion": "dashboard.grafana.app/v2", "metadata": {"name": "n"}, "spec": {"title": "C", "elements": {}}}')).toMatchObject({ title: 'C', uid: 'n' });
  expect(() => readCandidate('{"groups": []}')).toThrow(/neither panels/);
  expect(() => readCandidate('{"panels": 7}')).toThrow(/“panels” must be a list/);
  expect(() => readCandidate('[1]')).toThrow(/not a dashboard/);
});

test('inputs are answered with a data source of their type, the default one first', () => {
  const sources: DataSource[] = [
    { uid: 'l', name: 'Logs', type: 'loki' },
    { uid: 'p1', name: 'Other', type: 'prometheus' },
    { uid: 'p2', name: 'Ours', type: 'prometheus', isDefault: true },
  ];
  const { inputs } = readCandidate('{"panels": [], "__inputs": [{"name": "DS_P", "type": "datasource", "pluginId": "prometheus"}, {"name": "VAR_X", "type": "constant", "value": "7"}]}');
  expect(fitting(inputs[0]!, sources).map(({ uid }) => uid)).toEqual(['p1', 'p2']);
  expect(preset(inputs[0]!, sources)).toBe('p2');
  expect(preset(inputs[1]!, sources)).toBe('7');
  expect(answered(inputs, { DS_P: 'p1' })).toEqual([
    { name: 'DS_P', type: 'datasource', pluginId: 'prometheus', value: 'p1' },
    { name: 'VAR_X', type: 'constant', pluginId: '', value: '7' },
  ]);
});

test('dashboards are found by words, tags and stars, and sorted as people count', () => {
  const hits: Hit[] = [
    { uid: '1', title: 'Node 10', type: 'dash-db', tags: ['node'], folderTitle: 'Linux' },
    { uid: '2', title: 'Node 9', type: 'dash-db', tags: ['node', 'old'], isStarred: true },
    { uid: '3', title: 'Pods', type: 'dash-db', tags: ['kubernetes'], folderTitle: 'Apps' },
  ];
  const found = (filter: Partial<Parameters<typeof filterHits>[1]>): string[] => filterHits(hits, { words: '', tags: [], starred: false, order: 'name', ...filter }).map(({ uid }) => uid);
  expect(found({})).toEqual(['2', '1', '3']);
  expect(found({ words: 'linux node' })).toEqual(['1']);
  expect(found({ tags: ['node', 'old'] })).toEqual(['2']);
  expect(found({ starred: true })).toEqual(['2']);
  expect(found({ order: 'folder' })).toEqual(['2', '3', '1']);
  expect(tagsOf(hits)[0]).toEqual({ tag: 'node', count: 2 });
});
