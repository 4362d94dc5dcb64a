/**
 * The names that a rules file may give a registry; keys and rules are named alike. They stand in URLs, log lines and
 * file names, so nothing in them needs escaping.
 */
export const registryNamePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
