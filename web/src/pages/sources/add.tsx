/** Instructions to add a source: the commands with the address of this server, for a cluster with a one-time token. */
import { useMutation } from "@tanstack/react-query";
import { client, load } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { Empty, Failure } from "../../components/states";
import { Command } from "../../components/text";
import { Time } from "../../components/time";

export function AddSource({ onClose }: { onClose?: () => void }) {
  if (!onClose)
    return (
      <Empty title="No source reports yet">
        <Steps />
      </Empty>
    );
  return (
    <Dialog title="Add a source" onClose={onClose}>
      <Steps />
    </Dialog>
  );
}

function Steps() {
  const server = location.origin;
  const enrol = useMutation({ mutationFn: () => load(client.POST("/api/v1/enrolments", { body: {} })) });
  return (
    <div className="kk-steps-list">
      <h3 className="pf-v6-c-title pf-m-md">From your machine</h3>
      <p>Once: connect the command line with this server. Then each scan with --submit is sent.</p>
      <Command text={`kubekeep login --server ${server}`} />
      <Command text="kubekeep scan --submit" />
      <h3 className="pf-v6-c-title pf-m-md">From a pipeline</h3>
      <p>Create a token under Settings, Tokens, with the role agent, and store it as a secret file.</p>
      <Command text={`kubekeep scan . --submit --server ${server} --token-file FILE`} />
      <h3 className="pf-v6-c-title pf-m-md">A cluster that reports by itself</h3>
      <p>A one-time token lets one cluster report. It is shown once.</p>
      {enrol.data ? (
        <>
          <Command text={enrol.data.token} />
          <p className="kk-soft">
            It expires <Time value={enrol.data.expires} />.
          </p>
        </>
      ) : (
        <button type="button" className="pf-v6-c-button pf-m-secondary" disabled={enrol.isPending} onClick={() => enrol.mutate()}>
          Create a one-time token
        </button>
      )}
      {enrol.error && <Failure error={enrol.error} />}
    </div>
  );
}
