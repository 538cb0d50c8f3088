/** The filter of the owner of workloads, with the owners that sources name. */
import { useQuery } from "@tanstack/react-query";
import { client, load } from "../api/client";
import type { UrlState } from "../url";
import type { Filter } from "./filters";
import { FRESH } from "./list";

export const OWNER = "owner";
/** Owners to choose from, at most. */
const MOST = 1000;
/** The value by which the API selects workloads without an owner. */
const NOBODY = { value: "-", label: "Nobody" };

/** Return the filter; nothing if no source names an owner. hasNobody: workloads without one can be chosen. */
export function useOwnerFilters(url: UrlState, hasNobody: boolean): Filter[] {
  const owners = useQuery({ queryKey: ["owners"], staleTime: FRESH, queryFn: () => load(client.GET("/api/v1/owners", { params: { query: { limit: MOST } } })) });
  const names = owners.data?.rows.map(({ owner }) => ({ value: owner, label: owner })) ?? [];
  if (!names.length && !url.list(OWNER).length) return [];
  return [{ name: OWNER, label: "Owner", isList: true, choices: hasNobody ? [NOBODY, ...names] : names }];
}
