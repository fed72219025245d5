/** The public API: what a configuration and a recipe import from 'slipway'. */
export { goBuild, goComponents, placeBinary } from './build/binary.ts'
export { compilerEnv, configureMake, stripTree, type MakeOptions } from './build/compile.ts'
export { debianComponents, embedPackages, type EmbedOptions } from './build/debian.ts'
export { forgetNotes, npmInstall, npmPlatform, npmPrograms, npmPrune, npmRun, readPackage } from './build/npm.ts'
export { npmComponents } from './build/npm-components.ts'
export { parseProcfile, procfileProcesses, readProcfile, type ProcfileLine } from './build/procfile.ts'
export { compileModules, pipInstall, pythonPath, pythonPrograms, type PythonOptions } from './build/python.ts'
export { pythonComponents } from './build/python-components.ts'
export { pythonPlatform } from './build/requirements.ts'
export type { WhenFacts, WhenFunction } from './config/hooks.ts'
export { defineConfig, type Config, type UserConfig } from './config/schema.ts'
export { ShipError } from './errors.ts'
export { HostError, type HostErrorKind } from './host-error.ts'
export type {
  CommandOptions,
  CommandTag,
  CommandValue,
  FileOptions,
  Machine,
  RunCommand,
  TaskContext,
  TaskFunction,
} from './machine.ts'
export {
  defineRecipe,
  type AppProcess,
  type BuildStep,
  type Component,
  type Launcher,
  type Recipe,
  type RecipeContext,
  type Source,
} from './recipe.ts'
export { connect, local, type ConnectOptions } from './remote/connect.ts'
export type { RunResult } from './runner.ts'
