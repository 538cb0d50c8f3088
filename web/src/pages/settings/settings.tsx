/** Settings: users, tokens, notifications, the log of changes, and the account of the user. */
import { useLocation } from "wouter";
import { Page } from "../../components/page";
import type { Identity } from "../../identity";
import { Notifications } from "../notifications/notifications";
import { Account } from "./account";
import { Log } from "./log";
import { ServiceLevels } from "./service-levels";
import { Tokens } from "./tokens";
import { Users } from "./users";

const TABS = [
  ["users", "Users", "Who may see and change what.", ["administrator"]],
  ["tokens", "Tokens", "Programs that submit or read: pipelines, agents, connected command lines.", ["administrator", "manager"]],
  ["notifications", "Notifications", "Messages about changes: to people, tickets and programs.", ["administrator", "manager", "auditor"]],
  ["service-levels", "Service levels", "The time in which findings are to be fixed. All due dates follow.", ["administrator", "manager", "auditor", "viewer"]],
  ["log", "Log", "Changes of users, rights and sources. Nobody can change an entry without a trace.", ["administrator", "auditor"]],
  ["account", "Your account", "Your rights and your password.", ["administrator", "manager", "auditor", "viewer"]],
] as const;

export default function Settings({ identity }: { identity: Identity }) {
  const [path] = useLocation();
  const tabs = TABS.filter(([, , , roles]) => (roles as readonly string[]).includes(identity.role ?? ""));
  const requested = path.split("/")[2] || tabs[0]?.[0] || "account";
  return (
    <Page title="Settings" summary={tabs.find(([tab]) => tab === requested)?.[2]}>
      <nav className="kk-tabs" aria-label="Settings">
        {tabs.map(([tab, name]) => (
          <a key={tab} href={`/settings/${tab}`} aria-current={tab === requested ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {requested === "users" && <Users />}
      {requested === "tokens" && <Tokens identity={identity} />}
      {requested === "notifications" && <Notifications identity={identity} />}
      {requested === "service-levels" && <ServiceLevels identity={identity} />}
      {requested === "log" && <Log />}
      {requested === "account" && <Account identity={identity} />}
    </Page>
  );
}
