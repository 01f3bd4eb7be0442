"""Write the CustomResourceDefinitions into federation/crds."""

from pathlib import Path

from federation.wire.k8s.crd import KINDS, kustomization, text

FOLDER = Path(__file__).parents[1] / "federation" / "crds"

if __name__ == "__main__":
    for kind in KINDS.values():
        (FOLDER / kind.file).write_text(text(kind))
    (FOLDER / "Kustomization").write_text(kustomization())
