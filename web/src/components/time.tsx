/** Times: relative in lists, absolute on hover and for screen readers' details. */
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const SECONDS_OF_A_DAY = 86_400;

export function Time({ value }: { value: string | null | undefined }) {
  if (!value) return <span className="kk-soft">never</span>;
  const date = new Date(value);
  return (
    <time dateTime={value} title={absolute.format(date)}>
      {describeAge(date)}
    </time>
  );
}

/** Return the distance of a time from now in words. */
export function describeAge(date: Date): string {
  const seconds = (date.getTime() - Date.now()) / 1000;
  for (const [unit, length] of UNITS) if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  return "just now";
}

/** The due date of a finding: when it is to be fixed, or since when it is overdue. */
export function Due({ value }: { value: string }) {
  const isOverdue = new Date(value) < new Date();
  return (
    <span className={isOverdue ? "kk-notice" : undefined}>
      {isOverdue ? "overdue, was due" : "due"} <Time value={value} />
    </span>
  );
}

/** Return the number of days since a time. */
export function daysSince(value: string): number {
  return (Date.now() - new Date(value).getTime()) / 1000 / SECONDS_OF_A_DAY;
}
