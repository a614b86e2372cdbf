/** The operator's own client for a kubeconfig. Used by the tests of the clients. */
import { KubeConfig } from '@kubernetes/client-node';
import { Kubernetes } from '../../operator/src/clients/kubernetes.ts';
import { Transport } from '../../operator/src/clients/transport.ts';

export function clientOf(kubeconfigFile: string): { transport: Transport; kubernetes: Kubernetes } {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeconfigFile);
  const transport = new Transport(kubeConfig);
  return { transport, kubernetes: new Kubernetes(transport) };
}
