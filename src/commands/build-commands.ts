/** Commands about bundles, in the order of the help. */
import { ARTIFACT, type Command } from './command.ts'
import { CHOOSE_HOSTS } from './choose-hosts.ts'

export const BUILD_COMMANDS: readonly Command[] = [
  {
    name: 'init',
    summary: 'look at the project, write a configuration and a workflow',
    about:
      'Asks on a terminal, five questions at most; elsewhere, and with --yes, it takes flags and what it found. Files that are there stay ' +
      'as they are.',
    group: 'Build',
    options: [
      { flags: '--name <name>', summary: 'name of the app' },
      { flags: '--recipe <name>', summary: 'node-app, python-app, static-site, procfile, binary or files' },
      { flags: '--hosts <hosts>', summary: 'hosts of production, user@host, comma-separated', many: true },
      { flags: '--deploy-to <dir>', summary: 'folder on the hosts; /opt/<name> by default' },
      { flags: '--restart <command>', summary: 'what is run on the hosts after a switch' },
      { flags: '--health <url>', summary: 'address that answers 200 when all is well' },
      { flags: '--format <form>', summary: 'ts (the default) or yaml' },
      { flags: '--skip-workflow', summary: 'write no workflow for GitHub Actions' },
    ],
    examples: [
      ['ship init', 'asks'],
      ['ship init --yes --hosts deploy@web1.example', 'does not'],
    ],
    exits: [],
    load: () => import('./init.ts'),
  },
  {
    name: 'build',
    summary: 'build a bundle from the sources into dist/',
    about: [
      '--bump writes the version before the sources are read: into package.json and',
      'its lockfile when versions come from there, and with "changelog" it closes',
      '"Unreleased" into a dated section. A build that fails puts the files back; one',
      'that goes well leaves them for you to commit.',
    ].join('\n'),
    group: 'Build',
    options: [
      { flags: '--version <version>', summary: 'build this version' },
      { flags: '--bump <part>', summary: 'build the next version: patch, minor, major or prerelease' },
      { flags: '--snapshot', summary: 'build a version that is not meant to be kept' },
      { flags: '--allow-dirty', summary: 'build sources that differ from their commit, whatever build.dirty says' },
      { flags: '--ref <ref>', summary: 'build a clean checkout of this git ref' },
      { flags: '--format <names>', summary: 'only these formats, comma-separated', many: true },
      { flags: '--check-repro', summary: 'build twice and compare every byte' },
      { flags: '--locked', summary: 'refuse sources of recipes that are not in ship.lock' },
      { flags: '--explain', summary: 'tell for each part whether it was made anew, and which inputs changed' },
    ],
    examples: [
      ['ship build', 'the configured version'],
      ['ship build --bump minor', 'the next minor version'],
      ['ship build --ref v1.4.2 --check-repro', 'a tag, twice, compared'],
    ],
    exits: [3, 9],
    logged: true,
    load: () => import('./build.ts'),
  },
  {
    name: 'lock',
    summary: 'look the sources of recipes up anew, and write what they are into ship.lock',
    about: 'A build takes what ship.lock says, and adds what it does not. Only this command replaces what is there.',
    group: 'Build',
    args: [{ name: '[component]', summary: 'only the sources of this one' }],
    examples: [
      ['ship lock', 'the newest that every recipe admits'],
      ['ship lock node', 'of one component'],
    ],
    exits: [3],
    load: () => import('./lock.ts'),
  },
  {
    name: 'inspect',
    summary: 'show what is inside an artifact',
    group: 'Build',
    args: [{ name: '[artifact]', summary: ARTIFACT }],
    options: [{ flags: '--diff <other>', summary: 'what differs from this artifact (the older one)' }],
    examples: [
      ['ship inspect', 'the newest bundle: manifest, components, sizes'],
      ['ship inspect 1.4.2 --diff 1.4.1', 'files, sizes, components, licences and libraries since 1.4.1'],
    ],
    exits: [9],
    load: () => import('./inspect.ts'),
  },
  {
    name: 'verify',
    summary: 'check an artifact, or what runs on the hosts, byte for byte',
    about:
      'Without -e it checks digests, signature, SBOM and provenance of an artifact, offline; with -e it hashes the live release on ' +
      'every host again, or the version that is named.',
    group: 'Build',
    args: [{ name: '[artifact]', summary: `${ARTIFACT}; with -e a version` }],
    options: [
      { flags: '--signers <file>', summary: 'it must be signed by one of these keys (an allowed_signers file)' },
      ...CHOOSE_HOSTS,
    ],
    examples: [
      ['ship verify', 'every file of the newest bundle'],
      ['ship verify shop-1.4.2.tar.zst --signers ops.keys', 'who signed it, and whether it is one of these'],
      ['ship verify -e production', 'what the hosts run, against its manifest'],
      ['ship verify 1.4.1 -e production', 'a release that the hosts keep'],
    ],
    exits: [4, 9],
    load: () => import('./verify.ts'),
  },
]
