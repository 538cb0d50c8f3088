/** States of requirements and controls: each with a mark and its name, as colour is never the only signal. */
import { format, type Counts } from "../../components/severity";
import type { UrlState } from "../../url";

export type State = "failed" | "partly" | "covered" | "passed" | "not-evaluated";
export const STATES: State[] = ["failed", "partly", "covered", "passed", "not-evaluated"];
export const LABELS: Record<State, string> = { failed: "Failed", partly: "Partly evaluated", covered: "Covered", passed: "Passed", "not-evaluated": "Not evaluated" };
const STYLES: Record<State, string> = { failed: "high", partly: "medium", covered: "low", passed: "good", "not-evaluated": "unknown" };
const MARKS: Record<State, string> = { failed: "✕", partly: "◐", covered: "◇", passed: "✓", "not-evaluated": "?" };

export function StateLabel({ state }: { state: string }) {
  const known = state as State;
  return (
    <span className="kk-nowrap">
      <span aria-hidden="true" className={`kk-mark kk-ink-${STYLES[known]}`}>
        {MARKS[known]}
      </span>
      {LABELS[known]}
    </span>
  );
}

/** Numbers by state, the worst first. */
export function StateCounts({ counts }: { counts: Counts }) {
  const present = STATES.filter((state) => counts[state]);
  if (!present.length) return <span className="kk-soft">nothing evaluated</span>;
  return (
    <span className="kk-counts">
      {present.map((state) => (
        <span key={state}>
          <span aria-hidden="true" className={`kk-mark kk-ink-${STYLES[state]}`}>
            {MARKS[state]}
          </span>
          {format(counts[state] ?? 0)} {LABELS[state].toLowerCase()}
        </span>
      ))}
    </span>
  );
}

/** Return the period of the URL, as the API has it: whole days, of which the last one is included. Other texts are no dates. */
export function readPeriod(url: UrlState): { since?: string; until?: string } {
  const [since, until] = ["since", "until"].map((name) => (Number.isNaN(Date.parse(`${url.get(name)}T00:00:00Z`)) ? "" : url.get(name)));
  return { ...(since ? { since: `${since}T00:00:00Z` } : {}), ...(until ? { until: nextDay(until) } : {}) };
}

function nextDay(day: string): string {
  const moment = new Date(`${day}T00:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + 1);
  return moment.toISOString();
}
