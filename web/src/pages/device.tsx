/** Approval of `kubekeep login`: the user compares the code that the terminal shows. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { client, load } from "../api/client";
import { Field, Form } from "../components/form";
import { Card, Page } from "../components/page";
import { Await, Failure } from "../components/states";
import { Time } from "../components/time";
import { useUrl } from "../url";

export default function Device() {
  const url = useUrl();
  const code = url.get("code").toUpperCase();
  return (
    <Page title="Connect a program" summary="A program on your machine requests a token with your rights.">
      {code ? (
        <Approval code={code} />
      ) : (
        <Card title="Code that the terminal shows">
          <Form action="Continue" change={async (values) => url.set({ code: String(values.get("code")).toUpperCase() })}>
            <Field label="Code" name="code" required pattern="[A-Za-z]{4}-[A-Za-z]{4}" placeholder="BCDF-GHJK" autoComplete="off" />
          </Form>
        </Card>
      )}
    </Page>
  );
}

function Approval({ code }: { code: string }) {
  const path = { user_code: code };
  const login = useQuery({ queryKey: ["device", code], queryFn: () => load(client.GET("/api/v1/device/approvals/{user_code}", { params: { path } })), retry: false });
  const answer = useMutation({
    mutationFn: (isApproved: boolean) => load(client.POST("/api/v1/device/approvals/{user_code}", { params: { path }, body: { isApproved } })),
  });
  if (answer.isSuccess)
    return (
      <Card title={answer.variables ? "The program is connected" : "The program was refused"}>
        <p>Go back to the terminal. You can close this page.</p>
      </Card>
    );
  return (
    <Await query={login}>
      {(waiting) => (
        <Card title={`Connect ${waiting.clientName}?`}>
          <p>
            Approve only if the terminal shows <strong className="kk-code">{code}</strong> and you started it yourself. The request expires <Time value={waiting.expires} />.
          </p>
          {answer.error && <Failure error={answer.error} />}
          <div className="kk-buttons">
            <button type="button" className="pf-v6-c-button pf-m-primary" disabled={answer.isPending} onClick={() => answer.mutate(true)}>
              Approve
            </button>
            <button type="button" className="pf-v6-c-button pf-m-secondary" disabled={answer.isPending} onClick={() => answer.mutate(false)}>
              Refuse
            </button>
          </div>
        </Card>
      )}
    </Await>
  );
}
