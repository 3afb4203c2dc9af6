import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { interpolate, PROMQL } from '../interpolate.ts';
import { loadDashboard } from '../load.ts';
import { Requests } from '../requests.ts';
import { OWN, type DataSource } from '../sources.ts';
import { GROUPING, VariableSet } from './set.ts';

/** A server whose answers are given by hand, or at once by `answers`. */
let asked: { path: string; query: URLSearchParams; signal: AbortSignal; answer: (data: unknown) => void; fail: (error: string) => void }[] = [];
let answers: (path: string, query: URLSearchParams) => unknown;
const turn = (): Promise<void> => new Promise((done) => setTimeout(done));
const quiet = async (): Promise<void> => {
  for (let round = 0; round < 8; round += 1) await turn();
};

beforeEach(() => {
  asked = [];
  answers = () => undefined;
  vi.stubGlobal('document', { baseURI: 'http://server/' });
  vi.stubGlobal('fetch', (url: URL, { signal }: { signal: AbortSignal }) => {
    return new Promise((resolve, reject) => {
      const reply = (body: unknown): void => resolve(new Response(JSON.stringify(body)));
      const answer = (data: unknown): void => reply({ status: 'success', data });
      signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
      asked.push({ path: url.pathname, query: url.searchParams, signal, answer, fail: (error) => reply({ status: 'error', error }) });
      const data = answers(url.pathname, url.searchParams);
      if (data !== undefined) answer(data);
    });
  });
});
afterEach(() => vi.unstubAllGlobals());

const OTHER: DataSource = { uid: 'other', type: 'prometheus', name: 'Other' };

function make(list: object[], params = '', sources: DataSource[] = [OWN, OTHER]): VariableSet {
  const { dashboard } = loadDashboard({ title: 't', uid: 'u', schemaVersion: 41, panels: [], templating: { list } });
  const set = new VariableSet({ dashboard, sources, requests: new Requests(), span: { from: 1000, to: 4600 }, timeZone: 'utc', params: new URLSearchParams(params) });
  set.start();
  return set;
}
const value = (set: VariableSet, name: string): unknown => set.states.find(({ variable }) => variable.name === name)!.chosen.value;
const query = (name: string, of: string, more: object = {}): object => ({ name, type: 'query', query: of, refresh: 2, ...more });

test('variables that need no server have their values at once', () => {
  const set = make([
    { name: 'c', type: 'custom', query: 'a,b : bee', current: { text: 'x', value: 'bee' } },
    { name: 'i', type: 'interval', query: '1m,1h', auto: true, auto_count: 60, auto_min: '10s', current: { value: '$__auto_interval_i', text: 'auto' } },
    { name: 'k', type: 'constant', query: 'const', hide: 2 },
    { name: 't', type: 'textbox', query: 'dflt' },
    { name: 'ds', type: 'datasource', query: 'prometheus', current: { text: 'default', value: 'default' } },
    { name: 'all', type: 'custom', query: 'x,y', includeAll: true },
  ]);
  expect(set.ready).toBe(true);
  expect(interpolate('$c $i $k $t $ds ${ds:text} $all ${__range}', set.scope())).toBe('bee 1m const dflt promontory Promontory {x,y} 3600s');
  expect(asked).toEqual([]);
});

test('labels to group by are several, none at first, and only of their data source', async () => {
  answers = (path) => (path.endsWith('/labels') ? ['job', 'pod'] : undefined);
  const set = make([{ name: 'by', type: 'groupby', datasource: { type: 'prometheus', uid: 'promontory' } }, { name: 'preset', type: 'groupby', datasource: { type: 'prometheus', uid: 'other' }, defaultValue: { text: ['job'], value: ['job'] } }]);
  await quiet();
  expect(set.scope()[GROUPING]).toEqual([{ uid: 'other', keys: ['job'] }]);
  set.choose('by', ['pod', 'written']);
  expect(set.scope()[GROUPING]).toEqual([{ uid: 'promontory', keys: ['pod', 'written'] }, { uid: 'other', keys: ['job'] }]);
  expect(set.patch()['var-by']).toEqual(['pod', 'written']);
});

test('a switch is off until it is turned on, and stands for what it says', () => {
  const set = make([{ name: 's', type: 'switch', enabledValue: 'yes', disabledValue: 'no' }, { name: 'plain', type: 'switch', current: 'true' }]);
  expect(interpolate('$s $plain', set.scope())).toBe('no true');
  set.choose('s', ['yes']);
  expect(interpolate('$s', set.scope())).toBe('yes');
});

test('variables load after those that they need, and only dependents load again', async () => {
  answers = (path, params) => (path.endsWith('/cluster/values') ? ['c1', 'c2'] : path.endsWith('/ns/values') ? [`${params.get('match[]')}`] : path.endsWith('/free/values') ? ['f'] : undefined);
  const set = make([query('ns', 'label_values(x{cluster="$cluster"}, ns)'), query('cluster', 'label_values(cluster)'), query('free', 'label_values(free)')]);
  await quiet();
  expect(set.ready).toBe(true);
  expect(asked.map(({ path }) => path)).toEqual(['/api/v1/label/cluster/values', '/api/v1/label/free/values', '/api/v1/label/ns/values']);
  expect(value(set, 'ns')).toBe('x{cluster="c1"}');
  const before = set.version;
  set.choose('cluster', ['c2']);
  expect(set.ready).toBe(false);
  await quiet();
  expect(asked.slice(3).map(({ query: asked }) => asked.get('match[]'))).toEqual(['x{cluster="c2"}']);
  expect(value(set, 'ns')).toBe('x{cluster="c2"}');
  expect(set.version).toBeGreaterThan(before);
});

test('what is superseded is cancelled, and its answer changes nothing', async () => {
  const set = make([{ name: 'c', type: 'custom', query: 'a,b' }, query('q', 'label_values(x{c="$c"}, l)')]);
  await turn();
  set.choose('c', ['b']);
  await turn();
  expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  asked[1]!.answer(['from b']);
  await quiet();
  expect(value(set, 'q')).toBe('from b');
  expect(set.ready).toBe(true);
});

test('a saved value that is gone gives way to the first one or All; one of the address stays', async () => {
  answers = () => ['p', 'q'];
  const list = [query('one', 'label_values(one)', { current: { text: 'gone', value: 'gone' } }), query('many', 'label_values(many)', { multi: true, includeAll: true, current: { text: ['gone'], value: ['gone'] } }), query('saved', 'label_values(saved)', { current: { text: 'q', value: 'q' } })];
  const set = make(list);
  await quiet();
  expect([value(set, 'one'), value(set, 'many'), value(set, 'saved')]).toEqual(['p', ['p', 'q'], 'q']);
  expect(set.patch()).toEqual({ 'var-one': ['p'], 'var-many': ['$__all'], 'var-saved': ['q'] });
  const linked = make(list, 'var-one=pod-9&var-many=q&var-many=new');
  await quiet();
  expect([value(linked, 'one'), value(linked, 'many')]).toEqual(['pod-9', ['q', 'new']]);
});

test('All without any options does not demand the label', async () => {
  answers = () => [];
  const set = make([query('cluster', 'label_values(cluster)', { multi: true, includeAll: true, allValue: '.+' }), query('plain', 'label_values(plain)', { includeAll: true }), query('none', 'label_values(none)')]);
  await quiet();
  expect(interpolate('up{cluster=~"$cluster",plain=~"$plain",none="$none"}', set.scope(), PROMQL)).toBe('up{cluster=~".*",plain=~".*",none=""}');
});

test('All with options stands for its text or for all of them', async () => {
  answers = () => ['a.b', 'c'];
  const set = make([query('cluster', 'label_values(cluster)', { multi: true, includeAll: true, allValue: '.+' }), query('job', 'label_values(job)', { includeAll: true })]);
  await quiet();
  expect(interpolate('{cluster=~"$cluster",job=~"$job"}', set.scope(), PROMQL)).toBe('{cluster=~".+",job=~"(a\\\\.b|c)"}');
  expect(interpolate('/d/x?${__all_variables}', set.scope())).toBe('/d/x?var-cluster=%24__all&var-job=%24__all');
  expect(set.valuesOf('job')).toEqual([{ text: 'a.b', value: 'a.b' }, { text: 'c', value: 'c' }]);
  set.choose('cluster', ['$__all', 'c']);
  expect(value(set, 'cluster')).toEqual(['c']);
  set.choose('cluster', ['c', '$__all']);
  expect(set.states[0]!.chosen.whole).toBe(true);
});

test('an error is told, and what was chosen stays', async () => {
  const set = make([query('q', 'label_values(l)', { current: { text: 'v', value: 'v' } }), query('bad', 'label_values(x)', { regex: '/(/' })]);
  await turn();
  asked[0]!.fail('no such thing');
  asked[1]!.answer(['a']);
  await quiet();
  expect(set.states[0]).toMatchObject({ error: 'no such thing', loading: false, chosen: { value: 'v' } });
  expect(set.states[1]!.error).toMatch(/regular expression/i);
  expect(set.ready).toBe(true);
});

test('another time loads again what is refreshed with it, while panels go on', async () => {
  answers = () => ['a'];
  const set = make([query('timely', 'label_values(timely)'), query('once', 'label_values(once)', { refresh: 1 })]);
  await quiet();
  answers = () => ['b'];
  set.setSpan({ from: 2000, to: 5600 });
  expect(set.ready).toBe(true);
  await quiet();
  expect(asked.map(({ path }) => path)).toEqual(['/api/v1/label/timely/values', '/api/v1/label/once/values', '/api/v1/label/timely/values']);
  expect(value(set, 'timely')).toBe('b');
});

test('what is built in tells the time of now, and links follow another range', () => {
  const set = make([{ name: 'i', type: 'interval', query: '1m', auto: true, auto_count: 60, current: { value: '$__auto_interval_i' } }]);
  const read = (): string => interpolate('$__from ${__to:date:seconds} ${__url_time_range} $i', set.scope());
  expect(read()).toBe('1000000 4600 from=1000000&to=4600000 1m');
  const { version } = set;
  set.setSpan({ from: 1010, to: 4610 });
  expect(read()).toBe('1010000 4610 from=1010000&to=4610000 1m');
  expect(set.version).toBe(version);
  set.setSpan({ from: 0, to: 86_400 }, { from: 'now-1d', to: 'now' });
  expect(read()).toBe('0 86400 from=now-1d&to=now 20m');
  expect(set.version).toBeGreaterThan(version);
});

test('data sources are chosen by a pattern, and queries go where the choice says', async () => {
  answers = () => ['x'];
  const set = make([{ name: 'ds', type: 'datasource', query: 'prometheus', regex: '/^Ot/' }, query('q', 'label_values(l)', { datasource: { type: 'prometheus', uid: '${ds}' } })]);
  await quiet();
  expect(value(set, 'ds')).toBe('other');
  expect(asked[0]!.path).toBe('/api/datasources/proxy/uid/other/api/v1/label/l/values');
});

describe('the address', () => {
  test('going back restores, and what the page wrote itself changes nothing', async () => {
    const set = make([{ name: 'c', type: 'custom', query: 'a,b,d', multi: true, current: { value: ['a'], text: ['a'] } }]);
    set.choose('c', ['b', 'd']);
    const params = new URLSearchParams('var-c=b&var-c=d');
    const { version } = set;
    set.patch();
    set.setParams(params);
    expect(set.version).toBe(version);
    set.setParams(new URLSearchParams(''));
    expect(value(set, 'c')).toEqual(['a']);
  });

  test('what was chosen and is not in it yet outlives a change of something else in it', async () => {
    const set = make([{ name: 'c', type: 'custom', query: 'a,b', current: { value: 'a', text: 'a' } }, query('q', 'label_values(x{c="$c"}, l)'), { name: 'F', type: 'adhoc', filters: [] }], 'var-c=a');
    await turn();
    asked[0]!.answer(['v']);
    await quiet();
    set.patch();
    set.choose('c', ['b']);
    set.filter('F', [{ key: 'job', operator: '=', value: 'x' }]);
    expect(set.ready).toBe(false);
    set.setParams(new URLSearchParams('var-c=a&from=now-1h'));
    expect(value(set, 'c')).toBe('b');
    expect(set.states[2]!.filters).toHaveLength(1);
  });

  test('nothing chosen stays nothing', () => {
    const list = [
      { name: 'c', type: 'custom', query: 'a,b', multi: true, current: { value: ['a'], text: ['a'] } },
      { name: 'F', type: 'adhoc', filters: [{ key: 'job', operator: '=', value: 'x' }] },
    ];
    const set = make(list);
    set.patch();
    set.choose('c', []);
    set.filter('F', []);
    expect(set.patch()).toEqual({ 'var-c': [''], 'var-F': [''] });
    set.setParams(new URLSearchParams('var-c=&var-F='));
    expect([value(set, 'c'), set.states[1]!.filters]).toEqual([[], []]);
    const again = make(list, 'var-c=&var-F=');
    expect([value(again, 'c'), again.states[1]!.filters]).toEqual([[], []]);
  });

  test('going back takes a filter away', () => {
    const set = make([{ name: 'F', type: 'adhoc', filters: [] }]);
    set.filter('F', [{ key: 'job', operator: '=', value: 'x' }]);
    set.setParams(new URLSearchParams('var-F=job|%3D|x'));
    set.setParams(new URLSearchParams(''));
    expect(set.states[0]!.filters).toEqual([]);
  });

  test('filters stand in it and are read from it', () => {
    const set = make([{ name: 'F', type: 'adhoc', datasource: { type: 'prometheus', uid: 'promontory' }, filters: [] }], 'var-F=job|%3D|a__gfp__b');
    expect(set.states[0]!.filters).toEqual([{ key: 'job', operator: '=', value: 'a|b' }]);
    set.filter('F', [{ key: 'x', operator: '=~', value: 'y|z' }]);
    expect(set.patch()).toEqual({ 'var-F': ['x|=~|y__gfp__z'] });
    expect(set.scope()['__adhoc']).toEqual([{ uid: 'promontory', filters: [{ key: 'x', operator: '=~', value: 'y|z' }] }]);
  });
});

test('variables that need each other load nevertheless', async () => {
  answers = () => ['v'];
  const set = make([query('a', 'label_values(x{b="$b"}, a)'), query('b', 'label_values(x{a="$a"}, b)')]);
  await quiet();
  expect(set.ready).toBe(true);
  expect(set.states.filter(({ error }) => error?.includes('depends on itself'))).toHaveLength(1);
});
