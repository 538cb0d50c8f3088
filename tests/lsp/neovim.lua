-- Open a manifest, wait for diagnostics, apply a code action and write the file. Prints one JSON document.
local command = vim.json.decode(vim.env.KUBEKEEP_COMMAND)
vim.cmd("edit " .. vim.env.KUBEKEEP_FILE)
local buffer = vim.api.nvim_get_current_buf()
local options = { name = "kubekeep", cmd = command, root_dir = vim.env.KUBEKEEP_FOLDER }
if vim.fn.has("nvim-0.8") == 1 then
  vim.lsp.start(options)
else
  vim.lsp.buf_attach_client(buffer, vim.lsp.start_client(options))
end

local function find(code)
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    if diagnostic.code == code then
      return diagnostic
    end
  end
end

local function wait(condition)
  if not vim.wait(30000, condition, 20) then
    print(vim.json.encode({ error = "timeout" }))
    vim.cmd("cquit 1")
  end
end

wait(function() return find("C-0057") ~= nil end)
local diagnostic = find("C-0057")
vim.api.nvim_win_set_cursor(0, { diagnostic.lnum + 1, diagnostic.col })
local parameters = vim.lsp.util.make_range_params(0, "utf-16")
parameters.context = { diagnostics = {} }
local titles = {}
local answers = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction", parameters, 30000)
for _, answer in pairs(answers or {}) do
  for _, action in ipairs(answer.result or {}) do
    table.insert(titles, action.title)
    if vim.startswith(action.title, "Fix C-0057") then
      vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
    end
  end
end
wait(function() return find("C-0057") == nil end)
vim.cmd("write")
print(vim.json.encode({
  line = diagnostic.lnum,
  column = diagnostic.col,
  message = diagnostic.message,
  severity = diagnostic.severity,
  titles = titles,
}))
vim.cmd("qall!")
