// The commands that show or do the same as a view or an action. A test of the command line parses and runs each.
export const commands = {
  overview: "plugbay status",
  plugins: "plugbay list plugins",
  plugin: "plugbay inspect {plugin}",
  capabilities: "plugbay status --json",
  generations: "plugbay generations",
  rejected: "plugbay list rejected",
  services: "plugbay services list --directory {directory}",
  routes: "plugbay call {capability} --method {method} --path {path}",
  events: "plugbay events",
  config: "plugbay config show --running",
  reload: "plugbay reload",
  rollback: "plugbay rollback {generation}",
  resume: "plugbay resume",
};
