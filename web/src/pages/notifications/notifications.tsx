/** Notifications: destinations, rules and the messages that were sent. */
import type { Identity } from "../../app";
import { Deliveries } from "./deliveries";
import { Destinations } from "./destinations";
import { Rules } from "./rules";

export function Notifications({ identity }: { identity: Identity }) {
  const mayChange = identity.role === "administrator" || identity.role === "manager";
  return (
    <div className="kk-stack">
      <Destinations mayChange={mayChange} />
      <Rules mayChange={mayChange} />
      <Deliveries mayChange={mayChange} />
    </div>
  );
}
