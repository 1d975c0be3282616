-- title: Names that are hidden, by day
-- about: Flows on each day whose names are hidden from the monitor, by what hides them: encrypted client hello, DNS over HTTPS, TLS or QUIC, and VPNs.
-- parameters: school String, from Date, to Date
SELECT
    c.day AS day,
    sumIf(c.value, c.metric = 'flows') AS flows,
    sumIf(c.value, c.metric = 'flows_ech') AS ech,
    sumIf(c.value, c.metric = 'flows_doh') AS doh,
    sumIf(c.value, c.metric = 'flows_dot') AS dot,
    sumIf(c.value, c.metric = 'flows_doq') AS doq,
    sumIf(c.value, c.metric = 'flows_vpn') AS vpn
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date}
    AND c.metric IN ('flows', 'flows_ech', 'flows_doh', 'flows_dot', 'flows_doq', 'flows_vpn')
GROUP BY day
ORDER BY day
