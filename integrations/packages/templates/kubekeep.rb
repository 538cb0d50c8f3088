# Homebrew formula. Rendered by integrations/packages/render.py.
class Kubekeep < Formula
  desc "Find and fix security problems in Kubernetes manifests and clusters"
  homepage "https://kubekeep.io"
  version "@VERSION@"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "@URL@/kubekeep-@VERSION@-macos-aarch64.tar.xz"
      sha256 "@SHA256:kubekeep-@VERSION@-macos-aarch64.tar.xz@"
    end
    on_intel do
      url "@URL@/kubekeep-@VERSION@-macos-x86_64.tar.xz"
      sha256 "@SHA256:kubekeep-@VERSION@-macos-x86_64.tar.xz@"
    end
  end
  on_linux do
    on_arm do
      url "@URL@/kubekeep-@VERSION@-linux-aarch64.tar.xz"
      sha256 "@SHA256:kubekeep-@VERSION@-linux-aarch64.tar.xz@"
    end
    on_intel do
      url "@URL@/kubekeep-@VERSION@-linux-x86_64.tar.xz"
      sha256 "@SHA256:kubekeep-@VERSION@-linux-x86_64.tar.xz@"
    end
  end

  def install
    bash_completion.install "share/bash-completion/completions/kubekeep"
    zsh_completion.install "share/zsh/site-functions/_kubekeep"
    fish_completion.install "share/fish/vendor_completions.d/kubekeep.fish"
    man1.install Dir["share/man/man1/*.1"]
    pkgshare.install Dir["share/doc/kubekeep/*"]
    libexec.install "kubekeep", "_internal"
    bin.install_symlink libexec/"kubekeep"
    bin.install_symlink libexec/"kubekeep" => "kubectl-kubekeep"
    bin.install_symlink libexec/"kubekeep" => "kubectl_complete-kubekeep"
  end

  test do
    (testpath/"pod.yaml").write <<~YAML
      apiVersion: v1
      kind: Pod
      metadata: {name: debug}
      spec: {containers: [{name: shell, image: debian, securityContext: {privileged: true}}]}
    YAML
    assert_match version.to_s, shell_output("#{bin}/kubekeep --version")
    assert_match "C-0057", shell_output("#{bin}/kubekeep scan pod.yaml -f sarif")
  end
end
