// How busy the page's main thread is, from Chromium's own trace: the processor time of its tasks, which another load on
// the machine does not lengthen as it does the time on the wall.

const CATEGORIES = ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'];
/** Sampled stacks, to see what a task did; sampling costs time itself. */
const PROFILE = ['disabled-by-default-v8.cpu_profiler'];

/**
 * Runs `what` and answers the tasks of the page's main thread meanwhile, in order: `cpu_ms` is the time it had a
 * processor, `at_ms` the time since the first one, `parts` what it did for over a millisecond.
 */
export async function tasksDuring(browser, page, what, { profile = false } = {}) {
  await browser.startTracing(page, { categories: profile ? [...CATEGORIES, ...PROFILE] : CATEGORIES });
  try {
    await what();
  } catch (error) {
    await browser.stopTracing();
    throw error;
  }
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  return { tasks: tasksOf(traceEvents, page.url()), traceEvents };
}

/** When the last answer to a request whose address matches had arrived, in the trace's own time. */
export function answeredAt(events, pattern) {
  const asked = new Set(events.filter(({ name, args }) => name === 'ResourceSendRequest' && pattern.test(args?.data?.url ?? '')).map(({ args }) => args.data.requestId));
  return Math.max(...events.filter(({ name, args }) => name === 'ResourceFinish' && asked.has(args?.data?.requestId)).map(({ ts }) => ts));
}

const threadOf = ({ pid, tid }) => `${pid}/${tid}`;

/** The main thread of the process that drew most. */
function mainThread(events) {
  const mains = new Set(events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map(threadOf));
  const busy = new Map();
  for (const event of events) if (mains.has(threadOf(event)) && event.ph === 'X') busy.set(threadOf(event), (busy.get(threadOf(event)) ?? 0) + (event.tdur ?? 0));
  return [...busy].sort((a, b) => b[1] - a[1])[0]?.[0];
}

export function tasksOf(events) {
  const main = mainThread(events);
  const own = events.filter((event) => threadOf(event) === main && event.ph === 'X').sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const tasks = [];
  for (const event of own) {
    const last = tasks.at(-1);
    if (last && event.ts < last.end) {
      if (event.name !== 'RunTask' && event.name !== 'ThreadControllerImpl::RunTask' && (event.tdur ?? 0) >= 1000) last.parts.push({ name: event.name, cpu_ms: event.tdur / 1000, data: event.args?.data });
    } else if (/RunTask$/.test(event.name)) tasks.push({ ts: event.ts, end: event.ts + event.dur, cpu_ms: (event.tdur ?? 0) / 1000, wall_ms: event.dur / 1000, parts: [] });
  }
  return tasks.map((task) => ({ at_ms: (task.ts - (tasks[0]?.ts ?? 0)) / 1000, ...task }));
}

/** What the main thread did during a task, by the samples taken: the functions with most time of their own, and in all. */
export function stacksOf(events, { ts, end }) {
  const main = mainThread(events);
  const pid = Number(main?.split('/')[0]);
  const nodes = new Map();
  const spent = new Map();
  for (const { name, args, pid: from, id } of events.filter((event) => event.name === 'Profile' || event.name === 'ProfileChunk')) {
    if (from !== pid) continue;
    const data = args.data;
    if (name === 'Profile') {
      nodes.set(id, { at: data.startTime, tid: data.tid ?? Number(main.split('/')[1]), byId: new Map() });
      continue;
    }
    const profile = nodes.get(id);
    if (!profile) continue;
    for (const node of data.cpuProfile?.nodes ?? []) profile.byId.set(node.id, node);
    (data.cpuProfile?.samples ?? []).forEach((sample, index) => {
      const took = data.timeDeltas?.[index] ?? 0;
      profile.at += took;
      if (profile.at < ts || profile.at > end) return;
      const path = new Set();
      for (let node = profile.byId.get(sample), first = true; node; node = profile.byId.get(node.parent), first = false) {
        const { functionName, url, lineNumber } = node.callFrame;
        const key = `${functionName || '(anonymous)'} ${url?.split('/').pop() ?? ''}:${lineNumber ?? ''}`;
        const sum = spent.get(key) ?? { own: 0, all: 0 };
        if (first) sum.own += took;
        if (!path.has(key)) sum.all += took;
        path.add(key);
        spent.set(key, sum);
      }
    });
  }
  return [...spent].sort((a, b) => b[1].own - a[1].own).map(([key, { own, all }]) => `${(own / 1000).toFixed(0).padStart(5)} ms own ${(all / 1000).toFixed(0).padStart(5)} ms in all  ${key}`);
}
