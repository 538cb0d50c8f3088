"""Policies of the policy-controller and of Kyverno, converted to image policies. Never reads a file, never verifies.

Frozen: accepts fixes, no new features.

Rules, with their reasons in docs/decisions/0042-policies-of-other-tools.md:

1. The semantics are those of the tools' code, not of their documentation.
2. Unknown kinds, versions and fields are errors: a misspelt or new field could loosen a policy.
3. A part that cannot be converted exactly becomes a requirement that is not evaluated, with file, line, field and next
   step. It is never left out, and never passes.
4. Authorities and attestors keep their alternatives (`of`, `atLeast`). All rules that cover an image must hold.
5. A policy that applies only to some resources has a condition: its failure on an image is not evaluated.
6. A file has policies of one tool. Images that no policy covers are denied by the policy-controller, unless its
   ConfigMap says otherwise, and allowed by Kyverno.
7. References to Secrets, ConfigMaps and TrustRoots are followed within the file; nothing is fetched. Errors never
   contain a value of a Secret.
8. The result passes the checks of image policies that users write.

Example: a ClusterImagePolicy `shop` for `registry.example/shop/**` with two authorities, `release` (keyless,
`subjectRegExp: /shop/`) and `cloud` (`kms: awskms:///alias/shop`), becomes

    unmatched: deny
    signers:
      shop/release:
        identities:
        - identityRegexp: (?s:.*)(?:/shop/)(?s:.*)      # an identity matches as a whole, subjectRegExp a part of it
          issuer: https://token.actions.githubusercontent.com
        log: required
        format: legacy-tag
    combinedRules:
    - name: ClusterImagePolicy shop
      require:
        of:
        - signedBy: shop/release
        - notEvaluated: "policy.yaml:14:11: spec.authorities[1].key.kms: keys of a KMS are not fetched; write the ..."
        atLeast: 1

An image with the signature of `release` passes. Without it the rule is not evaluated, because `cloud` may have signed
it.
"""
