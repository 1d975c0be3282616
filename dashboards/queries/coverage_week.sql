-- title: Coverage, by day
-- about: Packets seen and lost, flows, minutes of use, and the shares named, with a person and with a timetable, on each day.
-- parameters: school String, from Date, to Date
SELECT
    c.day AS day,
    sumIf(c.value, c.metric = 'packets') AS packets,
    sumIf(c.value, c.metric IN ('ring_drops', 'nic_drops')) AS lost,
    sumIf(c.value, c.metric = 'slices') AS slices,
    sumIf(c.value, c.metric = 'flows') AS flows,
    sumIf(c.value, c.metric = 'flows_named') AS flows_named,
    sumIf(c.value, c.metric IN ('flows_ech', 'flows_doh', 'flows_dot', 'flows_doq', 'flows_vpn')) AS flows_hidden,
    sumIf(c.value, c.metric = 'minutes_use') AS minutes_use,
    sumIf(c.value, c.metric = 'minutes_person') AS minutes_person,
    sumIf(c.value, c.metric = 'minutes_timetabled') AS minutes_timetabled,
    if(flows > 0, flows_named / flows, NULL) AS named_share,
    if(minutes_use > 0, minutes_person / minutes_use, NULL) AS person_share,
    if(minutes_person > 0, minutes_timetabled / minutes_person, NULL) AS timetabled_share
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date}
    AND c.metric IN (
        'packets', 'ring_drops', 'nic_drops', 'slices', 'flows', 'flows_named', 'flows_ech', 'flows_doh', 'flows_dot',
        'flows_doq', 'flows_vpn', 'minutes_use', 'minutes_person', 'minutes_timetabled'
    )
GROUP BY day
ORDER BY day
