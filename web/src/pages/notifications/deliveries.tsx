/** Messages of notifications: queued, sent, and given up with the last error. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { ChangeButton } from "../../components/form";
import { Export, exportHref } from "../../components/export";
import { Card } from "../../components/page";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";
import { useDestinations } from "./destinations";
import { EVENTS } from "./rules";

type Delivery = Schemas["DeliveryRow"];

const STALE = [["deliveries"]];
const REFRESH = 5_000;

export function Deliveries({ mayChange }: { mayChange: boolean }) {
  const deliveries = useQuery({ queryKey: ["deliveries"], queryFn: () => load(client.GET("/api/v1/notifications/deliveries", { params: { query: { limit: 50 } } })), refetchInterval: REFRESH });
  const names = new Map(useDestinations().data?.rows.map((row) => [row.id, row.name]));
  return (
    <Card
      title={
        <span className="kk-card-title">
          Messages
          <Export href={exportHref("deliveries", {})} />
        </span>
      }
    >
      <Await query={deliveries} lines={2}>
        {({ rows }) =>
          rows.length ? (
            <Table
              caption="Messages, the newest first"
              rows={[...rows]}
              rowKey={(row) => row.id}
              columns={[
                { title: "When", cell: (row) => <Time value={row.ended ?? row.created} /> },
                { title: "About", cell: (row) => row.title || (EVENTS as Record<string, string>)[row.event] || row.event },
                { title: "To", cell: (row) => names.get(row.destination) ?? row.destination },
                { title: "State", cell: (row) => <State delivery={row} /> },
                { title: "Changes", cell: (row) => mayChange && row.state === "dead" && <ChangeButton label="Send again" change={() => load(client.POST("/api/v1/notifications/deliveries/{number}/resend", { params: { path: { number: row.id } } }))} stale={STALE} /> },
              ]}
            />
          ) : (
            <p>No message was sent in the last 30 days.</p>
          )
        }
      </Await>
    </Card>
  );
}

function State({ delivery }: { delivery: Delivery }) {
  return (
    <>
      {delivery.state === "dead" ? "given up" : delivery.state}
      {delivery.error && <span className="kk-soft kk-line">{delivery.error}</span>}
    </>
  );
}
