/** The commands that run something on the hosts, or read what the app wrote there; lines of the registry in index.ts. */
import { CHOOSE_HOSTS } from './choose-hosts.ts'
import type { Command } from './command.ts'

export const EXEC: Command = {
  name: 'exec',
  summary: 'run a command on the hosts, now',
  about: [
    'One word is text for sh; several are a program and its arguments, as typed.',
    'Runs in the live release, or in the login folder of a host that has none.',
    'Output is shown as it comes; then equal results are told once.',
  ].join('\n'),
  group: 'Keep house',
  args: [{ name: '<command...>', summary: 'the command, behind "--" when it has options' }],
  options: [
    ...CHOOSE_HOSTS,
    { flags: '--in <dir>', summary: 'run in this folder, relative to deployTo' },
    { flags: '--timeout <time>', summary: 'end it on a host after this time' },
    { flags: '--at-once <n>', summary: 'so many hosts at a time; 1: one after the other, until one fails' },
  ],
  examples: [
    ['ship exec -e production -- uptime', 'on all hosts at once'],
    ["ship exec -e production --roles web -- 'df -h . | tail -1'", 'a text for sh'],
  ],
  exits: [4, 5, 9],
  streams: true,
  logged: true,
  load: () => import('./exec.ts'),
}

export const RUN: Command = {
  name: 'run',
  summary: 'run a task of the configuration, after those it needs; without a name, list them',
  about: 'Words behind the name are arguments of the task ("$@"); options go behind "--".',
  group: 'Keep house',
  args: [
    { name: '[task]', summary: 'its name in "tasks"' },
    { name: '[args...]', summary: 'for the task' },
  ],
  options: CHOOSE_HOSTS,
  examples: [
    ['ship run', 'which tasks there are'],
    ['ship run clearCache -e production', 'on the hosts of its roles'],
  ],
  exits: [4, 5, 9],
  streams: true,
  logged: true,
  load: () => import('./run.ts'),
}

export const LOGS: Command = {
  name: 'logs',
  summary: 'show the logs of the app on the hosts',
  about:
    'Those that "logs" of the configuration names, or those given here: units of systemd, and files of the release or of shared/.',
  group: 'Look',
  args: [{ name: '[log...]', summary: '"shop.service", "log/production.log", or an absolute path' }],
  options: [
    ...CHOOSE_HOSTS,
    { flags: '-f, --follow', summary: 'go on showing what is written, until Ctrl-C' },
    { flags: '-n, --lines <n>', summary: 'so many lines of each' },
  ],
  examples: [
    ['ship logs -e production', 'the last lines of every configured log'],
    ['ship logs -f -e production --roles web', 'as they are written'],
    ['ship logs shop.service -n 200 --hosts web1', 'of one unit on one host'],
  ],
  exits: [4, 5, 9],
  streams: true,
  load: () => import('./logs.ts'),
}
