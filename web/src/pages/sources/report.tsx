/** The last report of a source, and sources that are silent. */
import type { Schemas } from "../../api/client";
import { daysSince, Time } from "../../components/time";
import { kindOfSource } from "../../sources";

export type SourceRow = Schemas["SourceRow"];

/** Days without a report after which a source is named silent. */
export const SILENT_DAYS = 3;

/** Return true for a cluster or registry that has not reported lately. Repositories report when they change. */
export function isSilent(row: SourceRow): boolean {
  return kindOfSource(row) !== "repository" && (row.finished === null || daysSince(row.finished) > SILENT_DAYS);
}

export function LastReport({ row }: { row: SourceRow }) {
  return (
    <span>
      <Time value={row.finished} />
      {isSilent(row) && <strong className="kk-notice">silent</strong>}
    </span>
  );
}
