/** What `kubectl version` reads: the API release whose behaviour we have, and what we are. */
export const kubernetesVersion = 'v1.36.2';

export const versionInfo = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: kubernetesVersion,
  gitCommit: 'evenkeel',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: `node ${process.versions.node}`,
  compiler: 'v8',
  platform: `${process.platform === 'win32' ? 'windows' : process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};
