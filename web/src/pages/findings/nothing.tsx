/** A list of findings, or of their groups, without rows. */
import { FilteredToNothing, isFiltered } from "../../components/filters";
import { useOwnerFilters } from "../../components/owners";
import { Empty } from "../../components/states";
import { Command } from "../../components/text";
import type { UrlState } from "../../url";
import { listFilters, type Group } from "./selection";

export function Nothing({ url, group }: { url: UrlState; group: Group | "" }) {
  const filters = listFilters(url, group, useOwnerFilters(url, true));
  if (isFiltered(url, filters)) return <FilteredToNothing url={url} filters={filters} />;
  return (
    <Empty title="No open findings">
      <p>Either nothing is wrong in what was evaluated, or nothing was submitted yet. Submit a scan:</p>
      <Command text="kubekeep scan . --submit" />
    </Empty>
  );
}
