import { describe, expect, test } from 'vitest';
import type { DataSource } from '../../api/data-sources.ts';
import { bodyOf, draftOf, fieldOf, freeHeader, mistakesOf, namesSource, newDraft, TOKEN } from './model.ts';

const kept = (more: Partial<DataSource> = {}): DataSource => ({
  id: 7,
  uid: 'far',
  name: 'Far',
  type: 'prometheus',
  typeName: 'Prometheus',
  url: 'https://far.example',
  user: 'old',
  isDefault: false,
  readOnly: false,
  basicAuth: true,
  basicAuthUser: 'me',
  jsonData: { timeInterval: '30s', httpMethod: 'POST', httpHeaderName1: 'X-Scope-OrgID', httpHeaderName3: 'X-Team', exemplarTraceIdDestinations: [{ name: 'trace_id' }] },
  secureJsonFields: { basicAuthPassword: true, httpHeaderValue1: true, httpHeaderValue3: true },
  version: 4,
  ...more,
});

test('what is saved without a change is what there was, and no secret', () => {
  const body = bodyOf(draftOf(kept()), kept());
  expect(body).toMatchObject({ uid: 'far', name: 'Far', url: 'https://far.example', user: 'old', basicAuth: true, basicAuthUser: 'me', version: 4, secureJsonData: {} });
  expect(body['jsonData']).toEqual(kept().jsonData);
  expect(body).not.toHaveProperty('secureJsonFields');
  expect(body).not.toHaveProperty('readOnly');
});

test('secrets that are no longer used are taken away', () => {
  const draft = draftOf(kept());
  expect(bodyOf({ ...draft, auth: 'none' }, kept()).secureJsonData).toEqual({ basicAuthPassword: '' });
  const fewer = bodyOf({ ...draft, headers: draft.headers.filter(({ name }) => name !== 'X-Scope-OrgID') }, kept());
  expect(fewer.secureJsonData).toEqual({ httpHeaderValue1: '' });
  // The other keeps its number: its secret stands under it and cannot be read to be moved.
  expect(fewer['jsonData']).toMatchObject({ httpHeaderName3: 'X-Team' });
  expect(fewer['jsonData']).not.toHaveProperty('httpHeaderName1');
});

describe('a token', () => {
  test('is a header that carries a secret', () => {
    const draft = { ...newDraft('prometheus', []), url: 'http://x', auth: 'token' as const, headers: [{ at: 1, name: 'X-Team' }], secrets: { [TOKEN]: 'abc', httpHeaderValue1: 'shop' } };
    const body = bodyOf(draft, undefined);
    expect(body['jsonData']).toEqual({ httpHeaderName1: 'X-Team', httpHeaderName2: 'Authorization' });
    expect(body.secureJsonData).toEqual({ httpHeaderValue1: 'shop', httpHeaderValue2: 'Bearer abc' });
  });
  test('with a scheme of its own is sent as it stands', () => {
    const draft = { ...newDraft('prometheus', []), auth: 'token' as const, secrets: { [TOKEN]: 'Token abc' } };
    expect(bodyOf(draft, undefined).secureJsonData).toEqual({ httpHeaderValue1: 'Token abc' });
  });
  test('is found again, and stays where it is', () => {
    const source = kept({ basicAuth: false, jsonData: { httpHeaderName2: 'authorization' }, secureJsonFields: { httpHeaderValue2: true } });
    const draft = draftOf(source);
    expect(draft).toMatchObject({ auth: 'token', tokenAt: 2, headers: [] });
    expect(bodyOf(draft, source)).toMatchObject({ jsonData: { httpHeaderName2: 'Authorization' }, secureJsonData: {} });
    expect(bodyOf({ ...draft, auth: 'none' }, source)).toMatchObject({ jsonData: {}, secureJsonData: { httpHeaderValue2: '' } });
    expect(freeHeader(draft)).toBe(1);
  });
});

test('a new one has a name that is free', () => {
  expect(newDraft('loki', []).name).toBe('Loki');
  expect(newDraft('loki', ['Loki', 'Loki 2']).name).toBe('Loki 3');
});

test('mistakes stand at their fields', () => {
  const draft = { ...newDraft('prometheus', []), url: 'ftp://x', interval: 'often', timeout: '900', auth: 'basic' as const, headers: [{ at: 1, name: 'two words' }] };
  expect(Object.keys(mistakesOf(draft)).sort()).toEqual(['header1', 'interval', 'timeout', 'url', 'user']);
  expect(mistakesOf({ ...newDraft('prometheus', []), url: 'http://x:9090', interval: '1m30s', timeout: '5' })).toEqual({});
});

test.each([
  ['data source with the same name already exists', 'name'],
  ['Validation error, invalid URL: expected http://host:port/path, without parameters', 'url'],
  ['a URL is shown to people, so there must be no user and password in it: they belong into basicAuthUser and secureJsonData.basicAuthPassword', 'url'],
  ['secureJsonData: tlsCACert must be a text', 'tlsCACert'],
  ['Datasource has already been updated by someone else. Please reload and try again', undefined],
])('“%s” is about %s', (message, field) => {
  expect(fieldOf(message)).toBe(field);
});

test('dashboards that name a data source are found, in whatever way they do', () => {
  const source = { uid: 'far', name: 'Far', isDefault: false };
  for (const dashboard of [
    { panels: [{ datasource: { type: 'prometheus', uid: 'far' } }] },
    { panels: [{ panels: [{ targets: [{ datasource: { uid: 'far' } }] }] }] },
    { rows: [{ panels: [{ datasource: 'Far' }] }] },
    { templating: { list: [{ type: 'datasource', current: { value: 'far' } }] } },
    { annotations: { list: [{ datasource: { uid: 'far' } }] } },
  ])
    expect(namesSource(dashboard, source), JSON.stringify(dashboard)).toBe(true);
  for (const dashboard of [{}, null, { title: 'Far', panels: [{ datasource: { uid: 'near' }, title: 'far' }] }, { templating: { list: [{ type: 'query', current: { value: 'far' } }] } }]) expect(namesSource(dashboard, source), JSON.stringify(dashboard)).toBe(false);
});
