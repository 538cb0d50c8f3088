/** The cluster of the pages about identities: a parameter of the URL, or one of the scope. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { client, load, type Schemas } from "../../api/client";
import { AddSource } from "../../components/add-source";
import { Filters, type Filter } from "../../components/filters";
import { Page } from "../../components/page";
import { Await, Empty } from "../../components/states";
import { Command } from "../../components/text";
import { nameSource } from "../../sources";
import { query, useUrl } from "../../url";

type Source = Schemas["SourceRow"];

const MOST = 100;
const TABS = [
  ["/identities", "Subjects"],
  ["/identities/who-can", "Who can"],
] as const;

interface Choice {
  /** Number of the cluster; undefined until it is known, and without any. */
  id?: number;
  name: string;
  clusters: Source[];
  hasMore: boolean;
  query: { data: Source[] | undefined; error: Error | null; refetch: () => unknown };
}

/** Return the cluster of the URL, else the one of the scope with the most critical findings. */
export function useCluster(): Choice {
  const url = useUrl();
  const scope = url.list("source").map(Number);
  const list = useQuery({ queryKey: ["sources", "clusters"], queryFn: () => load(client.GET("/api/v1/sources", { params: { query: { kind: "cluster", order: "critical", limit: MOST } } })) });
  const listed = list.data?.rows.filter((row) => !scope.length || scope.includes(row.id)) ?? [];
  const requested = Number(url.get("cluster"));
  const isInScope = requested > 0 && (!scope.length || scope.includes(requested));
  const id = isInScope ? requested : (listed[0]?.id ?? (list.data && scope[0]));
  const isElsewhere = id !== undefined && list.data !== undefined && !listed.some((row) => row.id === id);
  const chosen = useQuery({
    queryKey: ["source", id],
    queryFn: () => load(client.GET("/api/v1/sources/{source}", { params: { path: { source: id ?? 0 } } })),
    enabled: isElsewhere,
  });
  const clusters = isElsewhere && chosen.data ? [...listed, chosen.data] : listed;
  const current = clusters.find((row) => row.id === id);
  return { id, name: current ? nameSource(current) : "this cluster", clusters, hasMore: Boolean(list.data?.cursor), query: { data: list.data?.rows, error: list.error ?? chosen.error, refetch: list.refetch } };
}

interface Properties {
  title: string;
  tab: string;
  summary?: ReactNode;
  cluster: Choice;
  filters: Filter[];
  children: ReactNode;
}

/** A page about one cluster, with its choice, the tabs, and filters. */
export function ClusterPage({ title, tab, summary, cluster, filters, children }: Properties) {
  const url = useUrl();
  const kept = new URLSearchParams(["source", "cluster"].flatMap((parameter) => url.list(parameter).map((value) => [parameter, value])));
  return (
    <Page title={title} summary={summary}>
      <nav className="kk-tabs" aria-label="Identities">
        {TABS.map(([href, name]) => (
          <a key={href} href={href + query(kept)} aria-current={href === tab ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <Await query={cluster.query}>
        {() =>
          cluster.id === undefined ? (
            <AddSource />
          ) : (
            <>
              <Filters url={url} filters={filters}>
                <ChooseCluster cluster={cluster} />
              </Filters>
              {children}
            </>
          )
        }
      </Await>
    </Page>
  );
}

function ChooseCluster({ cluster }: { cluster: Choice }) {
  const url = useUrl();
  return (
    <label className="kk-filter">
      <span>Cluster</span>
      <span className="pf-v6-c-form-control">
        <select value={cluster.id} title={cluster.hasMore ? `The first ${MOST} are listed. Choose others as the scope.` : undefined} onChange={(event) => url.set({ cluster: event.target.value, open: "" }, true)}>
          {cluster.clusters.map((row) => (
            <option key={row.id} value={row.id}>
              {nameSource(row)}
            </option>
          ))}
        </select>
      </span>
    </label>
  );
}

/** The state of a cluster of which no scan has sent roles and bindings. */
export function NotSubmitted({ name }: { name: string }) {
  return (
    <Empty title={`The permissions in ${name} are not known`}>
      <p>
        No scan has sent its roles and bindings. A scan sends them if it reads the whole cluster and may list <code>roles</code>, <code>clusterroles</code>, <code>rolebindings</code> and <code>clusterrolebindings</code> of <code>rbac.authorization.k8s.io</code>. This prints the ClusterRole that it requires:
      </p>
      <Command text="kubekeep scan --dry-run" />
      <p>Then scan again:</p>
      <Command text="kubekeep scan --submit" />
    </Empty>
  );
}
