# Nix flake with the binary of the release. Rendered by integrations/packages/render.py.
{
  description = "Find and fix security problems in Kubernetes manifests and clusters";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      version = "@VERSION@";
      files = {
        x86_64-linux = { name = "linux-x86_64"; sha256 = "@SHA256:kubekeep-@VERSION@-linux-x86_64.tar.xz@"; };
        aarch64-linux = { name = "linux-aarch64"; sha256 = "@SHA256:kubekeep-@VERSION@-linux-aarch64.tar.xz@"; };
        x86_64-darwin = { name = "macos-x86_64"; sha256 = "@SHA256:kubekeep-@VERSION@-macos-x86_64.tar.xz@"; };
        aarch64-darwin = { name = "macos-aarch64"; sha256 = "@SHA256:kubekeep-@VERSION@-macos-aarch64.tar.xz@"; };
      };
      build = system: file:
        let pkgs = nixpkgs.legacyPackages.${system};
        in pkgs.stdenv.mkDerivation {
          pname = "kubekeep";
          inherit version;
          src = pkgs.fetchurl {
            url = "@URL@/kubekeep-${version}-${file.name}.tar.xz";
            inherit (file) sha256;
          };
          nativeBuildInputs = pkgs.lib.optional pkgs.stdenv.isLinux pkgs.autoPatchelfHook;
          # The program contains an archive that strip would remove.
          dontStrip = true;
          installPhase = ''
            runHook preInstall
            mkdir -p $out/lib/kubekeep $out/bin
            cp -r kubekeep _internal $out/lib/kubekeep
            cp -r share $out/share
            for name in kubekeep kubectl-kubekeep kubectl_complete-kubekeep; do
              ln -s $out/lib/kubekeep/kubekeep $out/bin/$name
            done
            runHook postInstall
          '';
          meta = {
            description = "Find and fix security problems in Kubernetes manifests and clusters";
            homepage = "https://kubekeep.io";
            license = pkgs.lib.licenses.asl20;
            mainProgram = "kubekeep";
            platforms = builtins.attrNames files;
            sourceProvenance = [ pkgs.lib.sourceTypes.binaryNativeCode ];
          };
        };
    in {
      packages = builtins.mapAttrs (system: file: { default = build system file; }) files;
    };
}
