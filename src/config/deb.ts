/** What the configuration says of .deb packages. Facts: Debian policy, chapters 3, 5 and 7. */
import { z } from 'zod'
import { descriptionProblem } from '../deb/description.ts'
import { isPackageName, RELATIONS, relationProblem, type RelationKey } from '../deb/relations.ts'
import { triggerProblem } from '../deb/triggers.ts'

const words = z.array(z.string().min(1))
const path = z.string().min(1)
const absolute = z
  .string()
  .regex(/^\/./, 'must be an absolute path')
  .refine((text) => text.split('/').every((s) => s !== '..' && s !== '.'), 'must not climb with ".."')

/** Wording of a problem as an issue of the schema. */
function refusing(schema: z.ZodString, problemOf: (text: string) => string | undefined) {
  return schema.superRefine((text, context) => {
    const message = problemOf(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: text })
  })
}

function relation(key: RelationKey, what: string) {
  return z
    .array(refusing(z.string(), (text) => relationProblem(key, text)))
    .optional()
    .describe(what)
}

const packageName = z
  .string()
  .refine(isPackageName, 'is no name for a package; use lower-case letters, digits, "+", "-" and ".", two or more')

const service = z
  .strictObject({
    exec: path.optional().describe('Program in the tree, such as "bin/shop"; not needed for a process of the recipe'),
    args: z.array(z.string()).optional().describe('Its arguments'),
    description: z.string().min(1).optional().describe('Of the unit'),
    user: z.string().min(1).optional().describe('Made when the package is installed; without it: root'),
    group: z.string().min(1).optional().describe('Default: that of the user'),
    workingDirectory: path.optional().describe('Folder in the tree, or an absolute one'),
    environment: z.record(z.string(), z.string()).optional().describe('Variables of the program'),
    enable: z.boolean().optional().describe('Start with the machine; default true'),
    start: z.boolean().optional().describe('Start when it is installed; default true'),
    restartAfterUpgrade: z.boolean().optional().describe('false: stopped before an upgrade, started after it'),
    stateDirectory: z.string().min(1).optional().describe('Name below /var/lib, removed by purge'),
    runtimeDirectory: z.string().min(1).optional().describe('Name below /run'),
    after: words.optional().describe('Units that it starts after'),
    type: z.string().min(1).optional().describe('Of the service, as systemd has it: simple, notify, forking'),
    extra: z
      .strictObject({
        Unit: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
        Service: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
        Install: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
      })
      .optional()
      .describe('More lines of the unit'),
    unit: path.optional().describe('File of the whole unit instead'),
  })
  .describe('A program that systemd keeps running')

const installedFile = z
  .strictObject({
    from: path.describe('File or folder of the project'),
    to: absolute.describe('Where it is installed'),
    mode: z
      .union([z.int().min(0).max(0o7777), z.string().regex(/^[0-7]{3,4}$/, 'is no mode; write "0640"')])
      .optional()
      .describe('Permissions, as text in octal: "0640"; default 0644, or 0755 for a program'),
  })
  .describe('A file outside of the tree')

/** What may differ between packages and processors. */
const settings = {
  description: refusing(z.string(), (text) => descriptionProblem(text))
    .optional()
    .describe('One line, then paragraphs; default from package.json'),
  section: z
    .string()
    .regex(/^(?:(?:contrib|non-free|non-free-firmware)\/)?[a-z0-9-]+$/, 'is no section')
    .optional()
    .describe('Of the archive'),
  priority: z
    .enum(['required', 'important', 'standard', 'optional'], { error: 'is no priority' })
    .optional()
    .describe('Of the package'),
  homepage: z.url().optional().describe('Address of the project; default from package.json'),
  license: z.string().min(1).optional().describe('SPDX expression; default from package.json'),
  copyright: path.optional().describe('File with the whole copyright text, instead of a generated one'),
  architecture: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'is no architecture')
    .optional()
    .describe('Debian\'s name of the processor, or "all"; default by what was built'),
  multiArch: z
    .enum(['no', 'same', 'foreign', 'allowed'], { error: 'use "no", "same", "foreign" or "allowed"' })
    .optional()
    .describe('Multi-Arch of the package'),
  preDepends: relation('preDepends', RELATIONS.preDepends),
  depends: relation('depends', 'Packages it needs, besides the C libraries, which are found by themselves'),
  recommends: relation('recommends', RELATIONS.recommends),
  suggests: relation('suggests', RELATIONS.suggests),
  enhances: relation('enhances', RELATIONS.enhances),
  breaks: relation('breaks', RELATIONS.breaks),
  conflicts: relation('conflicts', RELATIONS.conflicts),
  replaces: relation('replaces', RELATIONS.replaces),
  provides: relation('provides', RELATIONS.provides),
  fields: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'is no name for a field'), z.string().min(1))
    .optional()
    .describe('Other fields of the control file'),
  tree: z.boolean().optional().describe('Whether the tree is in it; false: a package of relations and files only'),
  include: words.optional().describe("Patterns of the tree's paths to take"),
  exclude: words.optional().describe("Patterns of the tree's paths to leave out"),
  files: z.array(installedFile).optional().describe('Files outside of the tree'),
  dirs: z.array(absolute).optional().describe('Empty folders'),
  links: z
    .record(absolute, path)
    .optional()
    .describe('Links by their place: { "/usr/bin/shop": "/opt/shop/current/bin/shop" }'),
  conffiles: words.optional().describe('Files of the administrator, besides all in /etc'),
  triggers: z.array(refusing(z.string(), triggerProblem)).optional().describe('Lines of the triggers file'),
  scripts: z
    .strictObject({
      preinst: path.optional().describe('Before it is unpacked'),
      postinst: path.optional().describe('When it is configured'),
      prerm: path.optional().describe('Before it is removed'),
      postrm: path.optional().describe('When it is removed, or purged'),
    })
    .optional()
    .describe('Files with your own part of the maintainer scripts'),
  debconf: z
    .strictObject({ config: path.describe('The script'), templates: path.describe('The templates') })
    .optional()
    .describe('Files of the questions that debconf asks: the script and its templates'),
  service: service.optional().describe('The service of the app'),
  services: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'is no name for a service'), service)
    .optional()
    .describe('Several services, by name'),
  sysusers: path.optional().describe('File in the form of sysusers.d'),
  tmpfiles: path.optional().describe('File in the form of tmpfiles.d'),
  lintianOverrides: words.optional().describe('Lines of a lintian override without the name of the package'),
  compression: z
    .string()
    .regex(
      /^(?:gzip|xz|zstd|none)(?::\d{1,2})?$/,
      'is no compression; use "gzip", "xz", "zstd" or "none", with a level as "xz:9"',
    )
    .optional()
    .describe('Of the data; default gzip, which every dpkg reads'),
}

const perProcessor = z
  .record(z.string(), z.strictObject(settings))
  .optional()
  .describe("Other settings by Debian's name of the processor")

export const deb = z
  .strictObject({
    package: packageName.optional().describe('Name of the package; default the name of the app'),
    maintainer: z
      .string()
      .regex(
        /^[^<>,"@\p{Cc}]+ <[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+>$/u,
        'is no maintainer; write "Name <mail@host.example>"',
      )
      .optional()
      .describe('"Name <mail>"; default the author of package.json'),
    revision: z
      .string()
      .regex(/^[A-Za-z0-9.+~]+$/, 'is no revision; use letters, digits and ".+~"')
      .default('1')
      .describe('Of the package: raise it when the package changes and the app does not'),
    epoch: z.int().min(0).optional().describe('Of the version; a last resort'),
    keepMetadata: z.boolean().default(false).describe('Keep what stands behind "+" in a version, which dpkg sorts by'),
    changelog: z
      .union([z.literal(false), path])
      .optional()
      .describe('File that becomes its changelog; default CHANGELOG.md where there is one'),
    ...settings,
    architectures: perProcessor,
    packages: z
      .record(packageName, z.strictObject({ ...settings, architectures: perProcessor }))
      .optional()
      .describe('Several packages of one build, by name; each value stands instead of the one for all'),
  })
  .describe('.deb packages')

export type DebConfig = z.output<typeof deb>
export type DebService = z.output<typeof service>
export type DebSettings = Omit<NonNullable<DebConfig['packages']>[string], 'architectures'>
