/** The text of a first workflow for GitHub Actions: build once, release what was built. Pure. */

export interface WorkflowFacts {
  /** Environments of the configuration; the first one is offered first. */
  readonly environments: readonly string[]
  /** Version of ship that wrote it, which is what the workflow runs. */
  readonly shipVersion: string
}

export const WORKFLOW = '.github/workflows/release.yml'

export function workflowText({ environments, shipVersion }: WorkflowFacts): string {
  const [first = 'production'] = environments
  return `# Written by "ship init"; yours from now on.
# Secrets of the repository or of its environment: SHIP_SSH_KEY, a private key that the hosts let in.
# The keys of the hosts are in known_hosts: run "ship trust" once, compare, commit the file.
name: release

on:
  push:
    tags: ['v*']
  workflow_dispatch:
    inputs:
      environment:
        description: Where to
        type: choice
        options: [${environments.map((name) => JSON.stringify(name)).join(', ')}]

permissions:
  contents: read

concurrency:
  group: release-\${{ inputs.environment || ${expression(first)} }}
  cancel-in-progress: false

jobs:
  release:
    runs-on: ubuntu-latest
    environment: \${{ inputs.environment || ${expression(first)} }}
    env:
      ENVIRONMENT: \${{ inputs.environment || ${expression(first)} }}
    steps:
      - uses: actions/checkout@v5
        with:
          fetch-depth: 0
      - uses: actions/setup-node@v6
        with:
          node-version: 24
      - name: build # a tag names the version
        run: |
          case $GITHUB_REF_TYPE in tag) set -- --version "\${GITHUB_REF_NAME#v}" ;; esac
          npx --yes slipway@${shipVersion} build "$@"
      - name: release
        env:
          SHIP_SSH_KEY: \${{ secrets.SHIP_SSH_KEY }}
        run: npx --yes slipway@${shipVersion} release -e "$ENVIRONMENT" --yes
`
}

/** A string in an expression of a workflow. */
function expression(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
