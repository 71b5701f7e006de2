import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class ImageTest(unittest.TestCase):
    def test_the_linter_finds_no_fault_with_the_dockerfile(self):
        hadolint = Path(sys.executable).parent / 'hadolint'

        found = subprocess.run([hadolint, ROOT / 'Dockerfile'], capture_output=True, text=True, timeout=60)

        self.assertEqual((found.stdout, found.stderr, found.returncode), ('', '', 0))
