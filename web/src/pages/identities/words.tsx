/** Subjects, permissions, and what is not known about them, in words. */
import type { Schemas } from "../../api/client";
import { plural } from "../../components/severity";
import { Command } from "../../components/text";
import { nameSubject } from "../../sources";

export type Kind = Schemas["IdentityRow"]["kind"];
type Subject = { kind: Kind; namespace: string; name: string };
type Danger = Schemas["DangerRow"];

export const KINDS: Record<Kind, string> = { User: "user", Group: "group", ServiceAccount: "service account" };
export const EVERYTHING = "everything";
/** Dangers that concern objects of namespaces. */
const IN_NAMESPACES = ["create-tokens", "create-pods", "run-commands", "read-secrets"];

/** Return the value of the parameter `open`, or of its link. */
export function keyOf({ kind, namespace, name }: Subject): string {
  return `${kind}/${namespace}/${name}`;
}

/** Return the subject of a key. Names may have slashes, namespaces have none. */
export function readKey(key: string): Subject {
  const [kind = "", namespace = "", ...name] = key.split("/");
  return { kind: kind as Kind, namespace, name: name.join("/") };
}

/** Return dangerous permissions to follow `can`, each scope once: `create pods, read Secrets in all namespaces`. */
export function describeDangers(dangers: Danger[]): string {
  const scopes = new Map<string, string[]>();
  for (const danger of dangers) scopes.set(describeScope(danger), [...(scopes.get(describeScope(danger)) ?? []), danger.text]);
  return [...scopes].map(([scope, texts]) => texts.join(", ") + scope).join(" · ");
}

function describeScope({ id, namespaces }: Danger): string {
  if (namespaces) return ` in ${plural(namespaces, "namespace")}`;
  return IN_NAMESPACES.includes(id) ? " in all namespaces" : "";
}

/** Return the dangerous permissions without those that the right to do everything includes. */
export function listMain(dangers: Danger[]): Danger[] {
  const everything = dangers.find((danger) => danger.id === EVERYTHING);
  if (!everything) return dangers;
  const isIncluded = (danger: Danger) => !everything.namespaces || (danger.namespaces > 0 && danger.namespaces <= everything.namespaces);
  return dangers.filter((danger) => danger === everything || !isIncluded(danger));
}

export function SubjectName({ subject }: { subject: Subject }) {
  return (
    <>
      {nameSubject(subject)} <span className="kk-soft kk-line">{KINDS[subject.kind]}</span>
    </>
  );
}

/** The binding and role that grant a permission, and where. */
export function Grant({ binding, group = "" }: { binding: Schemas["BindingName"]; group?: string }) {
  return (
    <span className="kk-soft kk-line">
      {binding.namespace ? `In namespace ${binding.namespace}` : "In the whole cluster"}, through {binding.namespace ? "RoleBinding" : "ClusterRoleBinding"} <code>{binding.name}</code> of {binding.roleKind} <code>{binding.role}</code>
      {group && (
        <>
          , as a member of <code>{group}</code>
        </>
      )}
    </span>
  );
}

/** Roles and bindings that a scan did not see, with the next step; and the limit of the rights of the user. */
export function Unknown({ unknown = [], isPartial = false }: { unknown?: string[]; isPartial?: boolean }) {
  return (
    <>
      {unknown.length > 0 && (
        <div className="pf-v6-c-alert pf-m-inline pf-m-warning kk-unknown">
          <h2 className="pf-v6-c-alert__title">Subjects may have more permissions than this page shows</h2>
          <div className="pf-v6-c-alert__description">
            <p>The last scan could not read all roles and bindings. Grant it the missing permission, and scan again:</p>
            <ul className="kk-plain-list">
              {unknown.map((reason) => (
                <li key={reason}>
                <code>{reason}</code>
              </li>
              ))}
            </ul>
            <p>This prints the ClusterRole that a scan requires:</p>
            <Command text="kubekeep scan --dry-run" />
          </div>
        </div>
      )}
      {isPartial && <p className="kk-soft">Your rights cover some namespaces: bindings of others are not shown, and subjects may have more permissions.</p>}
    </>
  );
}
