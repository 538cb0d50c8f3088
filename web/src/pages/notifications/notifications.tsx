/** Notifications: destinations, rules and the messages that were sent. */
import { mayManage, type Identity } from "../../identity";
import { Deliveries } from "./deliveries";
import { Destinations } from "./destinations";
import { Rules } from "./rules";

export function Notifications({ identity }: { identity: Identity }) {
  const mayChange = mayManage(identity);
  return (
    <div className="kk-stack">
      <Destinations mayChange={mayChange} />
      <Rules mayChange={mayChange} />
      <Deliveries mayChange={mayChange} />
    </div>
  );
}
