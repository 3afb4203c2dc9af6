// For tests only: as much of Grafana's API for dashboards as the page asks for, kept in memory, so that the page can be
// tried in front of any Prometheus. Dashboards of a folder of JSON files are there from the start, provisioned.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export function fakeDashboards({ folder, viewer = false } = {}) {
  const kept = new Map();
  const folders = new Map();
  const stars = new Set();
  const library = new Map();
  let home = '';
  let made = 0;
  const slug = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const keep = (dashboard, { folderUid = '', provisioned = false, message = '' } = {}) => {
    const uid = dashboard.uid || `made-${(made += 1)}`;
    const before = kept.get(uid);
    const version = (before?.version ?? 0) + 1;
    const whole = { ...dashboard, uid, version };
    kept.set(uid, { uid, folderUid, provisioned, version, dashboard: whole, versions: [{ version, created: new Date().toISOString(), createdBy: 'admin', message, data: whole }, ...(before?.versions ?? [])] });
    return { uid, version, slug: slug(dashboard.title), url: `/d/${uid}/${slug(dashboard.title)}`, status: 'success' };
  };
  if (folder) {
    folders.set('mixins', { uid: 'mixins', title: 'Mixins' });
    for (const name of readdirSync(folder)) if (name.endsWith('.json')) {
      const json = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      keep({ ...json, uid: json.uid || name.replace('.json', '') }, { folderUid: 'mixins', provisioned: true });
    }
  }
  const hit = ({ uid, dashboard, folderUid, provisioned }) => ({ uid, title: dashboard.title, type: 'dash-db', tags: dashboard.tags ?? [], isStarred: stars.has(uid), folderUid, folderTitle: folders.get(folderUid)?.title, url: `/d/${uid}`, provisioned });
  const usersOf = (uid) => [...kept.values()].filter(({ dashboard }) => JSON.stringify(dashboard.panels ?? []).includes(`"libraryPanel":{"uid":"${uid}"`)).length;
  const element = (uid) => library.has(uid) ? { result: { ...library.get(uid), meta: { connectedDashboards: usersOf(uid), updatedBy: { name: 'admin' } } } } : undefined;
  const routes = [
    ['GET', /^library-elements\/([^/]+)$/, ([uid]) => element(uid)],
    ['POST', /^library-elements$/, (_, { uid = `library-${(made += 1)}`, name, model, folderUid = '' }) => {
      if ([...library.values()].some((each) => each.name === name)) return { status: 400, message: 'library element with that name or UID already exists' };
      library.set(uid, { uid, name, model, folderUid, kind: 1, version: 1 });
      return element(uid);
    }],
    ['PATCH', /^library-elements\/([^/]+)$/, ([uid], { version, model }) => {
      const found = library.get(uid);
      if (found?.version !== version) return { status: 412, message: 'the library element has been changed by someone else' };
      library.set(uid, { ...found, model, version: version + 1 });
      return element(uid);
    }],
    ['DELETE', /^library-elements\/([^/]+)$/, ([uid]) => (library.delete(uid), { message: 'Library element deleted' })],
    ['GET', /^frontend\/settings$/, () => ({ buildInfo: { version: 'test' } })],
    ['GET', /^user$/, () => (viewer ? { login: 'someone', orgRole: 'Viewer' } : undefined)],
    ['GET', /^user\/preferences$/, () => ({ homeDashboardUID: home })],
    ['PATCH', /^user\/preferences$/, (_, body) => ((home = body.homeDashboardUID), { message: 'Preferences updated' })],
    ['GET', /^datasources$/, () => [{ uid: 'promontory', name: 'Promontory', type: 'prometheus', isDefault: true }]],
    ['GET', /^annotations$/, () => []],
    ['GET', /^dashboards\/uid\/([^/]+)$/, ([uid]) => {
      const found = kept.get(uid);
      return found && { dashboard: found.dashboard, meta: { slug: slug(found.dashboard.title), canSave: !found.provisioned, canEdit: true, isStarred: stars.has(uid), folderUid: found.folderUid, folderTitle: folders.get(found.folderUid)?.title, provisioned: found.provisioned, version: found.version } };
    }],
    ['DELETE', /^dashboards\/uid\/([^/]+)$/, ([uid]) => (kept.delete(uid) ? { message: 'Dashboard deleted' } : undefined)],
    ['POST', /^dashboards\/db$/, (_, { dashboard, folderUid, overwrite, message }) => {
      const found = kept.get(dashboard.uid);
      if (viewer) return { status: 403, message: 'Access denied to this dashboard' };
      if (found?.provisioned) return { status: 400, message: 'Cannot save provisioned dashboard' };
      if (found && !overwrite && dashboard.version !== found.version) return { status: 412, body: { status: 'version-mismatch', message: 'The dashboard has been changed by someone else' } };
      return keep(dashboard, { folderUid: folderUid ?? found?.folderUid, message });
    }],
    ['POST', /^dashboards\/import$/, (_, { dashboard, inputs, folderUid, overwrite }) => {
      if (kept.has(dashboard.uid) && !overwrite) return { status: 412, body: { status: 'name-exists', message: 'A dashboard with the same uid already exists' } };
      let text = JSON.stringify(dashboard);
      for (const { name, value } of inputs) text = text.replaceAll(`\${${name}}`, value);
      const { uid, url } = keep(JSON.parse(text), { folderUid });
      return { uid, importedUrl: url, imported: true };
    }],
    ['GET', /^dashboards\/uid\/([^/]+)\/versions$/, ([uid]) => ({ versions: kept.get(uid)?.versions.map(({ data: _, ...rest }) => rest) ?? [] })],
    ['GET', /^dashboards\/uid\/([^/]+)\/versions\/(\d+)$/, ([uid, version]) => kept.get(uid)?.versions.find((each) => String(each.version) === version)],
    ['POST', /^dashboards\/uid\/([^/]+)\/restore$/, ([uid], { version }) => {
      const found = kept.get(uid)?.versions.find((each) => each.version === version);
      return found && keep(found.data, { folderUid: kept.get(uid).folderUid, message: `Restored from version ${version}` });
    }],
    ['GET', /^dashboards\/tags$/, () => []],
    ['GET', /^search$/, (_, __, params) => {
      const tags = params.getAll('tag');
      const all = [...[...folders.values()].map((each) => ({ ...each, type: 'dash-folder' })), ...[...kept.values()].map(hit)];
      return all.filter((each) => tags.every((tag) => each.tags?.includes(tag)) && (!params.get('type') || each.type === params.get('type')));
    }],
    ['GET', /^folders\/([^/]+)$/, ([uid]) => folders.get(uid) && { ...folders.get(uid), canSave: true }],
    ['POST', /^folders$/, (_, { title, parentUid }) => {
      const uid = `folder-${(made += 1)}`;
      folders.set(uid, { uid, title, folderUid: parentUid });
      return { uid, title };
    }],
    ['PUT', /^folders\/([^/]+)$/, ([uid], { title }) => folders.set(uid, { uid, title }).get(uid)],
    ['DELETE', /^folders\/([^/]+)$/, ([uid]) => (folders.delete(uid), { message: 'Folder deleted' })],
    ['POST', /^user\/stars\/dashboard\/uid\/([^/]+)$/, ([uid]) => (stars.add(uid), { message: 'Dashboard starred!' })],
    ['DELETE', /^user\/stars\/dashboard\/uid\/([^/]+)$/, ([uid]) => (stars.delete(uid), { message: 'Dashboard unstarred' })],
  ];
  /** The answer to a request under `api/`; undefined for what is not about dashboards. */
  return (method, path, params, text) => {
    if (path.startsWith('v1/') || path.startsWith('v2/')) return undefined;
    for (const [wanted, pattern, answer] of routes) {
      const match = pattern.exec(path);
      if (wanted !== method || !match) continue;
      const found = answer(match.slice(1).map(decodeURIComponent), text ? JSON.parse(text) : {}, params);
      if (found === undefined) return { status: 404, body: { message: 'Not found' } };
      if (Number.isInteger(found.status)) return { status: found.status, body: found.body ?? { message: found.message } };
      return { status: 200, body: found };
    }
    return { status: 404, body: { message: 'Not found' } };
  };
}
