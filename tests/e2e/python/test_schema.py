import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lib.fixture import ServerTest

HERE = Path(__file__).resolve().parent
# 5xx, statuses, content types and bodies that the document does not have, methods that it does not name, and refusals of
# what it allows.
CHECKS = [
    'not_a_server_error',
    'status_code_conformance',
    'content_type_conformance',
    'response_schema_conformance',
    'unsupported_method',
    'allow_header_conformance',
    'positive_data_acceptance',
]


class SchemaTest(ServerTest):
    """The HTTP API does what /openapi.json says, whatever it is asked."""

    config = '[limits]\nmax_request_bytes = 100_000\n'

    def schemathesis(self, examples, **environment):
        env = {
            **os.environ,
            'SCHEMATHESIS_HOOKS': 'hooks',
            'PYTHONPATH': str(HERE / 'schema'),
            'SCHEMA_APP': self.server.id,
            'SCHEMA_KEY': self.server.key,
            'SCHEMA_SECRET': self.server.secret,
            **environment,
        }
        command = [Path(sys.executable).with_name('schemathesis')]
        command += ['--config-file', str(HERE / 'schema/schemathesis.toml'), 'run']
        command += [f'http://127.0.0.1:{self.server.port}/openapi.json', '--no-color']
        command += ['--checks', ','.join(CHECKS), '--max-examples', str(examples), '--seed', '1']
        # Its answer has no end.
        command += ['--exclude-operation-id', 'tail']
        command += ['--phases', 'examples,coverage,fuzzing', '--warnings', 'off']
        # What it writes beside its output goes with the folder.
        with tempfile.TemporaryDirectory(prefix='fanfare-schema-') as folder:
            run = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        # A run that found nothing to ask would pass as well.
        self.assertRegex(run.stdout, r'No issues found')
        self.assertRegex(run.stdout, r'Tested: (1[4-9]|2\d)')

    def test_signed_requests(self):
        client = self.client('ann')
        for channel in 'here', 'cache-here', 'presence-here':
            client.subscribe(channel)
        self.sdk.trigger('cache-here', 'kept', {'n': 1})
        self.schemathesis(examples=60)

    def test_unsigned_requests(self):
        self.schemathesis(examples=5, SCHEMA_SIGN='0')
