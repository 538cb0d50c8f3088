/** A subject beside the list: its permissions, the dangerous ones first, with the binding that grants each. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Panel } from "../../components/panel";
import { plural, Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { nameSubject } from "../../sources";
import { describeDangers, Grant, KINDS, listMain, readKey } from "./words";

type PermissionPage = Schemas["PermissionPage"];
type Row = Schemas["PermissionRow"];
type Danger = Schemas["DangerRow"];

const LENGTH = 100;
const ANYTHING = "*";

export function IdentityPanel({ source, subject, onClose }: { source: number; subject: string; onClose: () => void }) {
  const { kind, namespace, name } = readKey(subject);
  const pages = useInfiniteQuery({
    queryKey: ["identity", source, subject],
    queryFn: ({ pageParam }) => load(client.GET("/api/v1/identities/permissions", { params: { query: { source, kind, namespace, name, cursor: pageParam, limit: LENGTH } } })),
    initialPageParam: "",
    getNextPageParam: (page) => page.cursor || undefined,
  });
  return (
    <Panel title={nameSubject({ namespace, name })} rowKey={subject} onClose={onClose}>
      <Await query={pages}>
        {({ pages: [first, ...others] }) => (
          <>
            {first && <Permissions page={first} rows={[first, ...others].flatMap((page) => page.rows)} />}
            {pages.hasNextPage && (
              <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
                Show more
              </button>
            )}
          </>
        )}
      </Await>
    </Panel>
  );
}

function Permissions({ page, rows }: { page: PermissionPage; rows: Row[] }) {
  const { identity } = page;
  const main = listMain(identity.dangers);
  const dangerous = rows.filter((row) => row.dangers?.length || row.isUnknown);
  const others = rows.filter((row) => !row.dangers?.length && !row.isUnknown);
  const isComplete = !page.unknown.length && !page.isPartial && !identity.isUnknown;
  return (
    <>
      <p>
        {main.length ? (
          <>
            This {KINDS[identity.kind]} can {describeDangers(main)}.
          </>
        ) : (
          `No dangerous permission of this ${KINDS[identity.kind]} was seen.`
        )}
      </p>
      {!isComplete && <p className="kk-notice">It may have more permissions: not all roles and bindings could be seen.</p>}
      {dangerous.length > 0 && <Rows title="Dangerous permissions" rows={dangerous} dangers={identity.dangers} />}
      {others.length > 0 && <Rows title={dangerous.length ? "Other permissions" : "Permissions"} rows={others} dangers={[]} />}
      {page.total === 0 && isComplete && <p>No binding gives it a permission.</p>}
      {page.groups.length > 0 && (
        <p className="kk-soft">
          {plural(page.total, "rule")}, also through the groups that Kubernetes adds to it: {page.groups.join(", ")}. Groups of an identity provider are not known.
        </p>
      )}
    </>
  );
}

function Rows({ title, rows, dangers }: { title: string; rows: Row[]; dangers: Danger[] }) {
  return (
    <section className="kk-section">
      <h3 className="pf-v6-c-title pf-m-md">{title}</h3>
      <ul className="kk-evidence">
        {rows.map((row, index) => (
          <li key={index}>
            <Rule row={row} dangers={dangers} />
            <Grant binding={row.binding} group={row.group} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A rule in a sentence: its dangers, then verbs and resources. */
function Rule({ row, dangers }: { row: Row; dangers: Danger[] }) {
  if (row.isUnknown)
    return (
      <>
        <Severity level={row.severity} /> The rules of this role are not known.
      </>
    );
  const known = (row.dangers ?? []).flatMap((id) => dangers.filter((danger) => danger.id === id));
  const namespaces = row.binding.namespace ? 1 : 0;
  const reasons = listMain(known.map((danger) => ({ ...danger, namespaces }))).map((danger) => danger.text);
  return (
    <>
      {reasons.length > 0 && (
        <span className="kk-line">
          <Severity level={row.severity} /> <strong>{reasons.join(", ")}</strong>
        </span>
      )}
      <code>{join(row.verbs, "all verbs")}</code> on <code>{describeTargets(row)}</code>
      {row.resourceNames?.length ? (
        <>
          {" "}
          named <code>{row.resourceNames.join(", ")}</code>
        </>
      ) : null}
      {row.omitted ? `, and ${plural(row.omitted, "more value")}` : ""}
    </>
  );
}

/** Return the resources of a rule as `kubectl` names them, or its paths. */
export function describeTargets({ resources = [], apiGroups = [], nonResourceUrls = [] }: Row): string {
  if (!resources.length) return join(nonResourceUrls, "all paths");
  if (apiGroups.includes(ANYTHING)) return `${join(resources, "all resources")} of all API groups`;
  const groups = apiGroups.filter(Boolean).join(", ");
  const core = apiGroups.includes("") ? (groups ? " of the core API and " : "") : " of ";
  return join(resources, "all resources") + core + groups;
}

function join(values: string[] = [], all: string): string {
  return values.includes(ANYTHING) ? all : values.join(", ");
}
