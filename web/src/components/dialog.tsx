/** A modal dialog: the browser keeps the focus inside, and closes it by Esc. */
import { useEffect, useRef, type ReactNode } from "react";

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Without the attribute in the document, the browser gives the focus to the first control, which closes the dialog.
    element?.querySelector<HTMLElement>("input, select, textarea")?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="pf-v6-c-modal-box kk-dialog" aria-labelledby="dialog-title" onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <div className="kk-dialog-content">
        <header className="kk-panel-header">
          <h2 id="dialog-title" className="pf-v6-c-modal-box__title">
            {title}
          </h2>
          <button type="button" className="pf-v6-c-button pf-m-plain" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
