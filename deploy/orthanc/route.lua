-- Send each ultrasound image that arrives to STRIQ. Its reports (modalities SR and KO) stay here.
function OnStoredInstance(instanceId, tags, metadata, origin)
   if tags['Modality'] == 'US' then
      SendToModality(instanceId, 'striq')
   end
end
