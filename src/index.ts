/** The public API: what a configuration and a recipe import from 'slipway'. */
export { forgetNotes, npmInstall, npmPlatform, npmPrune, npmRun, readPackage } from './build/npm.ts'
export { defineConfig, type Config, type UserConfig } from './config/schema.ts'
export { ShipError } from './errors.ts'
export { defineRecipe, type BuildStep, type Component, type Recipe } from './recipe.ts'
