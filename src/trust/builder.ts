/**
 * Who builds, as the `builder.id` of SLSA: on GitHub Actions the workflow, which is what a reader may trust or not; elsewhere ship itself
 * on some machine. Variables: docs.github.com, "Default environment variables". No id of a run: the same build gives the same bytes.
 */
const ANYBODY = 'urn:slipway:ship'
/** `octo/shop/.github/workflows/release.yml@refs/heads/main` */
const WORKFLOW_REF = /^[\w.-]+\/[\w.-]+\/[\w./-]+\.ya?ml@[\w./+@-]+$/

export function builderId(env: Readonly<Record<string, string | undefined>>): string {
  const { GITHUB_ACTIONS: on, GITHUB_SERVER_URL: server = '', GITHUB_WORKFLOW_REF: workflow = '' } = env
  if (on !== 'true' || !/^https:\/\/[\w.-]+(?::\d+)?$/.test(server) || !WORKFLOW_REF.test(workflow)) return ANYBODY
  return `${server}/${workflow}`
}
