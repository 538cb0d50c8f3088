/** Findings that were opened and fixed in a period, compared with the period before, and those open over time. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../api/client";
import { useUrl } from "../url";
import { Chart, type Series } from "./chart";
import { Card } from "./page";
import { capitalize, format, type Counts } from "./severity";
import { Await } from "./states";

type Day = Schemas["DayRow"];

const PERIODS = [7, 30, 90, 365];
const DRAWN = ["critical", "high", "medium"];
const DAY = 86_400_000;

export function Changes({ source, open }: { source: number[]; open: Counts }) {
  const url = useUrl();
  const days = readDays(url.get("days"));
  const changes = useQuery({
    queryKey: ["changes", source, days],
    queryFn: () => load(client.GET("/api/v1/changes", { params: { query: { source, days: 2 * days } } })),
    placeholderData: (before) => before,
  });
  return (
    <Card
      title={
        <span className="kk-card-title">
          What changed
          <label className="kk-period">
            <span className="pf-v6-screen-reader">Period</span>
            <span className="pf-v6-c-form-control">
              <select value={days} onChange={(event) => url.set({ days: event.target.value === "30" ? "" : event.target.value })}>
                {PERIODS.map((period) => (
                  <option key={period} value={period}>
                    {period === 365 ? "1 year" : `${period} days`}
                  </option>
                ))}
              </select>
            </span>
          </label>
        </span>
      }
    >
      <Await query={changes} lines={5}>{(rows) => <Period rows={rows} days={days} open={open} />}</Await>
    </Card>
  );
}

function Period({ rows, days, open }: { rows: Day[]; days: number; open: Counts }) {
  const first = dayOf(Date.now() - (days - 1) * DAY);
  const now = rows.filter((row) => row.day >= first);
  const before = rows.filter((row) => row.day < first);
  const count = (part: Day[], name: "opened" | "closed") => part.reduce((total, row) => total + row[name], 0);
  return (
    <>
      <dl className="kk-compare">
        <Compared name="opened" now={count(now, "opened")} before={count(before, "opened")} href="/findings?order=newest" />
        <Compared name="fixed" now={count(now, "closed")} before={count(before, "closed")} />
      </dl>
      <Chart title="Open findings" series={computeSeries(now, open, days)} />
    </>
  );
}

function Compared({ name, now, before, href }: { name: string; now: number; before: number; href?: string }) {
  return (
    <div>
      <dt>{href ? <a href={href}>{name}</a> : name}</dt>
      <dd>
        <strong>{format(now)}</strong> <span className="kk-soft">{format(before)} in the period before</span>
      </dd>
    </div>
  );
}

/** Return the period in the URL, if it is one of those to choose from. */
export function readDays(text: string): number {
  return PERIODS.find((period) => String(period) === text) ?? 30;
}

/** Return what was open at the end of each day: what is open now without the changes of later days. */
export function computeSeries(rows: Day[], open: Counts, days: number): Series[] {
  const dates = Array.from({ length: days }, (_, index) => dayOf(Date.now() - (days - 1 - index) * DAY));
  return DRAWN.map((level) => {
    const changed = new Map<string, number>();
    for (const row of rows) if (row.priority === level) changed.set(row.day, row.opened - row.closed);
    let value = open[level] ?? 0;
    const values: number[] = [];
    for (const date of [...dates].reverse()) {
      values.unshift(value);
      value -= changed.get(date) ?? 0;
    }
    return { name: capitalize(level), style: `kk-line-${level}`, dates, values };
  });
}

function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
