/** The parts of Prometheus's HTTP API that the page reads. Times are as the server writes them. */

export type Labels = Record<string, string>;

/** Unix seconds and the value as text, so that NaN, infinities and all digits survive. */
export type Sample = [number, string];

export interface HistogramValue {
  count: string;
  sum: string;
  buckets?: [number, string, string, string][];
}

export interface InstantSeries {
  metric: Labels;
  value?: Sample;
  histogram?: [number, HistogramValue];
}

export interface RangeSeries {
  metric: Labels;
  values?: Sample[];
  histograms?: [number, HistogramValue][];
}

export interface ExemplarSeries {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

export type QueryResult =
  | { resultType: 'vector'; result: InstantSeries[] }
  | { resultType: 'matrix'; result: RangeSeries[] }
  | { resultType: 'scalar'; result: Sample }
  | { resultType: 'string'; result: Sample };

/** What came back, with what the server wants the reader to know about it. */
export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
}

export type AlertState = 'firing' | 'pending' | 'inactive' | 'unknown';

export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: AlertState;
  activeAt?: string;
  keepFiringSince?: string;
  value: string;
}

interface RuleBase {
  name: string;
  query: string;
  labels?: Labels;
  health: 'ok' | 'err' | 'unknown';
  lastError?: string;
  evaluationTime?: number;
  lastEvaluation?: string;
}

export interface AlertingRule extends RuleBase {
  type: 'alerting';
  state: AlertState;
  duration: number;
  keepFiringFor?: number;
  annotations?: Labels;
  alerts?: Alert[];
}

export interface RecordingRule extends RuleBase {
  type: 'recording';
}

export type Rule = AlertingRule | RecordingRule;

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  rules: Rule[];
  evaluationTime?: number;
  lastEvaluation?: string;
}

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl?: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval?: string;
  scrapeTimeout?: string;
}

export interface Targets {
  activeTargets: Target[];
  droppedTargets?: { discoveredLabels: Labels; scrapePool: string }[];
  droppedTargetCounts?: Record<string, number>;
  discoveryProblems?: { scrapePool: string; error: string; since: string }[];
}

export interface BuildInfo {
  version: string;
  revision?: string;
}

export interface RuntimeInfo {
  startTime?: string;
  serverTime?: string;
  hostname?: string;
  CWD?: string;
  reloadConfigSuccess?: boolean;
  lastConfigTime?: string;
  GOMAXPROCS?: number;
  storageRetention?: string;
}

/** A rule of relabelling, and what it leaves of the labels it is given. */
export interface RelabelStep {
  rule: { source_labels?: string[]; separator?: string; regex: string; modulus?: number; target_label?: string; replacement?: string; action: string };
  output: Labels;
  keep: boolean;
}

/** What the server wants its operator to know. */
export interface Notice {
  text: string;
  date: string;
  active: boolean;
}

export interface Monitor {
  name: string;
  target: string;
  interval: string;
  owner: string | null;
  dependsOn: string[];
  state: 'up' | 'down' | 'unreachable' | 'unknown';
  lastProbe: { time: string; success: boolean; duration: number } | null;
  /** Share of the last time, such as `24h`, in which it was up. */
  uptime: Record<string, number | null>;
}

export interface TsdbStatus {
  headStats?: { numSeries?: number; numLabelPairs?: number; chunkCount?: number; minTime?: number; maxTime?: number };
}

export interface Block {
  ulid: string;
  minTime: number;
  maxTime: number;
  stats: { numSamples: number; numSeries: number; numChunks: number };
  compaction: { level: number };
}

/** Numbers of the files of the write-ahead log. */
export interface WalReplay {
  min: number;
  max: number;
  current: number;
}

/** A part of an expression: what it would cost and, if it ran, what it did cost. */
export interface PlanNode {
  expr: string;
  series: number;
  samplesEstimate: number;
  rows: number;
  samplesRead: number;
  bytes: number;
  seconds: number;
  children: PlanNode[];
}

export interface Explained {
  tree: PlanNode;
  analyzed: boolean;
  seconds: number;
  peakBytes: number;
  limits: { samples: number; bytes: number };
}

export interface QueryCost {
  seriesSelected: number;
  samplesRead: number;
  samplesLookedAt: number;
  peakSamples: number;
  peakBytes: number;
}

/** What was asked, in seconds; `step` is 0 for one time. */
interface AskedQuery {
  query: string;
  start: number;
  end: number;
  step: number;
  client: string;
  userAgent: string;
  startedAt: string;
  elapsedSeconds: number;
  cost: QueryCost;
}

export interface RunningQuery extends AskedQuery {
  id: number;
  state: 'queued' | 'evaluating' | 'sending' | 'stopping';
}

export interface FinishedQuery extends AskedQuery {
  outcome: string;
}

export interface Queries {
  running: RunningQuery[];
  slowest: FinishedQuery[];
  limits: { concurrency: number; runningAndWaiting: number; timeoutSeconds: number; samples: number; bytes: number };
}

export interface SeriesGroup {
  name: string;
  series: number;
  createdLastHour: number;
  seriesBefore?: number;
  secondsBefore?: number;
  refused: number;
}

interface Count {
  name: string;
  value: number;
}

export interface LabelCost {
  name: string;
  values: number;
  series: number;
  sizeBytes: number;
  seriesWithout?: number;
  top: Count[];
}

export interface Growth {
  time: number;
  series: number;
  created: number;
}

export interface Cardinality {
  groups: SeriesGroup[];
  series: number;
  labelPairs: number;
  sizeBytes: number;
  seriesCountByMetricName: Count[];
  labels: LabelCost[];
  growth: Growth[];
}
