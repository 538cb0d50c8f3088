/** A level, of a priority or a severity, with its name and shape: colour is never the only signal. */
const MARKS: Record<string, string> = { critical: "▲", high: "◆", medium: "●", low: "▼", unknown: "?" };
export const LEVELS = ["critical", "high", "medium", "low", "unknown"] as const;
export type Level = (typeof LEVELS)[number];
export type Counts = Record<string, number>;

export function Severity({ level }: { level: string }) {
  return (
    <span className={`kk-severity kk-${level}`}>
      <span aria-hidden="true">{MARKS[level] ?? "?"}</span> {capitalize(level)}
    </span>
  );
}

/** Numbers by level of priority, the worst first. null: not known, which is never shown as zero. */
export function SeverityCounts({ counts, href }: { counts: Counts | null; href?: (level: Level) => string }) {
  if (counts === null) return <span className="kk-soft">not shown: your rights cover a part of the namespaces</span>;
  const levels = LEVELS.filter((level) => counts[level]);
  if (!levels.length) return <span className="kk-soft">none</span>;
  return (
    <span className="kk-counts">
      {levels.map((level) => {
        const text = `${format(counts[level] ?? 0)} ${level}`;
        const content = (
          <>
            <span aria-hidden="true" className={`kk-mark kk-ink-${level}`}>
              {MARKS[level]}
            </span>
            {text}
          </>
        );
        return href ? (
          <a key={level} href={href(level)}>
            {content}
          </a>
        ) : (
          <span key={level}>{content}</span>
        );
      })}
    </span>
  );
}

/** Return a number with separators. */
export function format(value: number): string {
  return value.toLocaleString("en-GB");
}

/** Return a probability in percent. A small one is not shown as zero. */
export function formatProbability(value: number): string {
  return value > 0 && value < 0.000_5 ? "under 0.1 %" : `${(value * 100).toFixed(1)} %`;
}

/** Return a number with its noun: `1 finding`, `2 findings`. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${format(count)} ${count === 1 ? noun : many}`;
}

export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return why a subject with an exposure matters, in words. The bits are those of the server: 4 reachable, 2 power, 1 rights. */
export function describeExposure(exposure: number): string[] {
  return [
    exposure & 4 ? "reachable from outside" : "",
    exposure & 2 ? "power over a node or the cluster" : "",
    exposure & 1 ? "may read Secrets" : "",
  ].filter(Boolean);
}

export function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
