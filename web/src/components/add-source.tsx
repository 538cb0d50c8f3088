/** Instructions to add a source: the commands with the address of this server. */
import { Dialog } from "./dialog";
import { Empty } from "./states";
import { Command } from "./text";

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
  return (
    <div className="kk-steps-list">
      <h3 className="pf-v6-c-title pf-m-md">From your machine</h3>
      <p>Connect the command line with this server once. Then scan a clone of a repository, or without a path the cluster of your kubeconfig.</p>
      <Command text={`kubekeep login --server ${server}`} />
      <Command text="kubekeep scan . --submit" />
      <Command text="kubekeep scan --submit" />
      <h3 className="pf-v6-c-title pf-m-md">From a pipeline</h3>
      <p>Create a token with the role agent under <a href="/settings/tokens">Settings, Tokens</a>, and store it as a secret file.</p>
      <Command text={`kubekeep scan . --submit --server ${server} --token-file FILE`} />
      <h3 className="pf-v6-c-title pf-m-md">A cluster that reports by itself</h3>
      <p>Run this beside the cluster, with a token of the same kind. It sends each change.</p>
      <Command text={`kubekeep watch --submit --server ${server} --token-file FILE`} />
    </div>
  );
}
