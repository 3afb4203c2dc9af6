/** The one line that says what is wrong. */
import type { Alert, Labels } from '../../api/types.ts';
import * as english from '../../english/overview.ts';
import type { Tone } from '../../parts/parts.tsx';

/** Severities as teams write them, the worst first. */
export function severityTone(labels: Labels): Tone {
  const severity = (labels['severity'] ?? labels['priority'] ?? '').toLowerCase();
  if (/^(critical|page|emergency|fatal|error|high|p1|p0|sev1|sev0)$/.test(severity)) return 'critical';
  if (/^(info|informational|notice|low|p4|p5)$/.test(severity)) return 'info';
  if (severity === 'none') return 'quiet';
  return 'warning';
}

const RANK: Record<Tone, number> = { critical: 0, warning: 1, info: 2, ok: 3, quiet: 4 };

/** Firing alerts, the worst first, then the newest. Severity `none` is plumbing such as a dead-man switch. */
export function firing(alerts: readonly Alert[]): Alert[] {
  return alerts
    .filter((alert) => alert.state === 'firing' && alert.labels['severity'] !== 'none')
    .sort(
      (a, b) =>
        RANK[severityTone(a.labels)] - RANK[severityTone(b.labels)] || Date.parse(b.activeAt ?? '') - Date.parse(a.activeAt ?? '') || 0,
    );
}

export interface Situation {
  alerts: readonly Alert[];
  targetsDown: number;
  targets: number;
  /** Undefined while not known. */
  rules: { alerting: number; failing: number } | undefined;
  /** Numbers beyond their thresholds, in words. */
  strained: readonly { text: string; tone: Tone }[];
}

export interface Verdict {
  tone: Tone;
  headline: string;
  detail: string;
}

export function judge(situation: Situation): Verdict {
  const active = firing(situation.alerts);
  const pending = situation.alerts.filter((alert) => alert.state === 'pending').length;
  const { rules, targets, targetsDown, strained } = situation;
  const problems: string[] = [];
  if (active.length > 0) problems.push(english.alertsFiring(active.length));
  if (targetsDown > 0) problems.push(english.targetsDown(targetsDown));
  if (rules && rules.failing > 0) problems.push(english.rulesFailing(rules.failing));

  const worst = active[0] ? severityTone(active[0].labels) : undefined;
  const tones: Tone[] = [...(worst ? [worst] : []), ...(targetsDown > 0 || (rules && rules.failing > 0) ? (['warning'] as Tone[]) : []), ...strained.map(({ tone }) => tone)];
  const tone = tones.sort((a, b) => RANK[a] - RANK[b])[0] ?? (rules?.alerting === 0 || rules === undefined ? 'quiet' : 'ok');

  const detail: string[] = [];
  if (problems.length > 0 && strained.length > 0) detail.push(strained.map(({ text }) => text).join(', '));
  if (pending > 0) detail.push(english.alertsPending(pending));
  if (targets > 0 && targetsDown === 0) detail.push(targets === 1 ? english.oneTargetIsUp : english.allTargetsAreUp(targets));
  else if (targets > 0) detail.push(english.someTargetsAreUp(targets - targetsDown, targets));
  if (rules && rules.alerting === 0) detail.push(english.noAlertingRulesAreLoaded);
  else if (rules) detail.push(english.alertingRulesLoaded(rules.alerting));

  const headline = problems.length > 0 ? problems.join(', ') : strained.length > 0 ? strained.map(({ text }) => text).join(', ') : rules === undefined || rules.alerting === 0 ? english.nothingIsFiring : english.allQuiet;
  return { tone, headline: headline[0]!.toUpperCase() + headline.slice(1), detail: detail.join(' · ') };
}
