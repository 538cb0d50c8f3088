/** A line chart with the same numbers as a table for those who do not see it. */
import { format } from "./severity";

export interface Series {
  name: string;
  /** Class of the line. */
  style: string;
  /** ISO dates. */
  dates: string[];
  values: number[];
}

const WIDTH = 600;
const HEIGHT = 150;
const LEFT = 44;
const BOTTOM = 20;
const TOP = 8;
const TABLE_ROWS = 12;

export function Chart({ title, series }: { title: string; series: Series[] }) {
  const dates = series[0]?.dates ?? [];
  const top = roundUp(Math.max(1, ...series.flatMap((each) => each.values)));
  const x = (index: number) => LEFT + (index / Math.max(1, dates.length - 1)) * (WIDTH - LEFT - 4);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  return (
    <figure className="kk-chart">
      <figcaption>
        {title}
        <span className="kk-legend">
          {series.map((each) => (
            <span key={each.name}>
              <svg width="18" height="8" aria-hidden="true">
                <line x1="0" x2="18" y1="4" y2="4" className={each.style} />
              </svg>
              {each.name} {format(each.values.at(-1) ?? 0)}
            </span>
          ))}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" preserveAspectRatio="none">
        {[0, top / 2, top].map((value) => (
          <g key={value}>
            <line className="kk-grid" x1={LEFT} x2={WIDTH} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 6} y={y(value) + 4} textAnchor="end">
              {format(value)}
            </text>
          </g>
        ))}
        {series.map((each) => (
          <polyline key={each.name} className={each.style} points={each.values.map((value, index) => `${x(index)},${y(value)}`).join(" ")} />
        ))}
        <text x={LEFT} y={HEIGHT - 4}>
          {dates[0]}
        </text>
        <text x={WIDTH - 4} y={HEIGHT - 4} textAnchor="end">
          {dates.at(-1)}
        </text>
      </svg>
      <table className="pf-v6-screen-reader">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            {series.map((each) => (
              <th key={each.name} scope="col">
                {each.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {dates
            .map((date, index) => ({ date, index }))
            .filter(({ index }) => index === dates.length - 1 || index % Math.ceil(dates.length / TABLE_ROWS) === 0)
            .map(({ date, index }) => (
              <tr key={date}>
                <th scope="row">{date}</th>
                {series.map((each) => (
                  <td key={each.name}>{each.values[index]}</td>
                ))}
              </tr>
            ))}
        </tbody>
      </table>
    </figure>
  );
}

/** Return the next number with one significant digit, even for the middle of the axis. */
export function roundUp(value: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)));
  return Math.max(2, Math.ceil(value / step / 2) * 2 * step);
}
