import { expect } from 'chai';
import { withoutOurChains } from '../../../k8s/local/network.ts';

const saved = `*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SEP-ABC - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -g CNI-HOSTPORT-DNAT
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -j KUBE-SEP-ABC
-A DOCKER -i latchkey0 -j ACCEPT
-A DOCKER -i docker0 -j RETURN
COMMIT
`;

describe('the packet rules that remain after down', () => {
  it('are all foreign chains and rules, in their order', () => {
    expect(withoutOurChains(saved).split('\n')).to.deep.equal([
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':DOCKER - [0:0]',
      '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
      '-A DOCKER -i docker0 -j RETURN',
      'COMMIT',
      '',
    ]);
  });

  it('are unchanged where nothing of ours is', () => {
    const foreign = withoutOurChains(saved);
    expect(withoutOurChains(foreign)).to.equal(foreign);
  });
});
