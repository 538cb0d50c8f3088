/** Rights: roles with the sources in which they hold. */
import type { Schemas } from "../../api/client";
import { Choose, Field, splitValues } from "../../components/form";

export type Grant = Schemas["GrantDocument"];

export const ROLES: Record<Schemas["Role"], string> = {
  administrator: "Everything, users included",
  manager: "Reads, submits, decides on findings, adds clusters, tokens and notifications",
  auditor: "Reads, also notifications and the log of changes",
  viewer: "Reads",
  agent: "Only submits",
};

export function Grants({ grants }: { grants: Grant[] }) {
  if (!grants.length) return <span className="kk-soft">no rights</span>;
  return (
    <ul className="kk-plain-list">
      {grants.map((grant, index) => (
        <li key={index}>
          {grant.role} of {grant.scope === "*" ? "all sources" : <code>{grant.scope}</code>}
          {grant.namespaces?.length ? `, namespaces ${grant.namespaces.join(", ")}` : ""}
        </li>
      ))}
    </ul>
  );
}

/** Fields of one right; `readGrant` reads them. */
export function GrantFields({ roles, role }: { roles: Schemas["Role"][]; role: Schemas["Role"] }) {
  return (
    <>
      <Choose label="Role" name="role" defaultValue={role}>
        {roles.map((each) => (
          <option key={each} value={each}>
            {each}: {ROLES[each]}
          </option>
        ))}
      </Choose>
      <Field label="Sources" name="scope" defaultValue="*" required help={<>* for all, cluster/UID, or a beginning such as repository/github.com/shop/*</>} />
      <Field label="Namespaces" name="namespaces" help="Separated by commas; empty for all" />
    </>
  );
}

export function readGrant(values: FormData): Grant {
  const namespaces = splitValues(values.get("namespaces"));
  return { role: String(values.get("role")) as Schemas["Role"], scope: String(values.get("scope")).trim(), namespaces };
}
